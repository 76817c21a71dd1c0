#version 330 core
// What the network says of each pixel. Variants: FLOW is the field that cells are formed from: hue is its direction,
// brightness its strength, and what flows in all directions is gray; PROBABILITY is that of being cell at all, in
// colours of a map.

uniform sampler2DArray u_flow;  // r: dY, g: dX (128 is 0, 127 is 1), b: cell probability, a: strength
uniform sampler2D u_map;        // colours for 0 to 1, one row
uniform float u_alpha;          // opacity of the overlay
uniform float u_black;          // 1 where what lies behind is black, 0 where it is the slide or another layer

in vec2 v_texel;
flat in vec4 v_tile;
out vec4 colour;

void main() {
    ivec2 at = clamp(ivec2(v_texel), ivec2(0), ivec2(v_tile.xy) - 1);
    vec4 texel = texelFetch(u_flow, ivec3(at, int(v_tile.z)), 0);
#ifdef PROBABILITY
    float strength = texel.b;
    vec3 hue = texelFetch(u_map, ivec2(int(strength * 255.0 + 0.5), 0), 0).rgb;
    // The map's own dark end stands for 0 on black.
    colour = vec4(hue * mix(strength, 1.0, u_black), mix(strength, 1.0, u_black)) * u_alpha;
#else
    vec2 flow = (texel.rg * 255.0 - 128.0) / 127.0;
    float along = length(flow);
    vec2 direction = flow / max(along, 1e-4);
    // The HSV wheel without an arc tangent. Red is up, green lower right, blue lower left: Cellpose's own order.
    vec3 hue = clamp(0.5 - vec3(
        direction.x,
        -0.5 * direction.x - 0.8660254 * direction.y,
        -0.5 * direction.x + 0.8660254 * direction.y), 0.0, 1.0);
    along = min(along, 1.0);
    float strength = max(along, texel.a);
    vec3 mean = hue * along + 0.5 * (strength - along);
    colour = vec4(mean * u_alpha, mix(strength, 1.0, u_black) * u_alpha);
#endif
}
