#version 330 core
// The flow field that cells are formed from: hue is its direction, brightness its strength.

uniform sampler2DArray u_flow;  // r: dY, g: dX (128 is 0, 127 is 1), b: cell probability
uniform float u_alpha;          // opacity of the overlay
uniform float u_black;          // 1 where what lies behind weak flow is black, 0 where it is the slide

in vec2 v_texel;
flat in vec4 v_tile;
out vec4 colour;

void main() {
    ivec2 at = clamp(ivec2(v_texel), ivec2(0), ivec2(v_tile.xy) - 1);
    vec2 flow = (texelFetch(u_flow, ivec3(at, int(v_tile.z)), 0).rg * 255.0 - 128.0) / 127.0;
    float strength = length(flow);
    vec2 direction = flow / max(strength, 1e-4);
    // The HSV wheel without an arc tangent. Red is up, green lower right, blue lower left: Cellpose's own order.
    vec3 hue = clamp(0.5 - vec3(
        direction.x,
        -0.5 * direction.x - 0.8660254 * direction.y,
        -0.5 * direction.x + 0.8660254 * direction.y), 0.0, 1.0);
    strength = min(strength, 1.0);
    colour = vec4(hue * strength * u_alpha, mix(strength, 1.0, u_black) * u_alpha);
}
