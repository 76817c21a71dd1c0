#version 330 core
// Tiles of the slide.

uniform sampler2DArray u_tiles;

#ifdef LOOK  // the same as studio/slide/look.py
uniform vec3 u_low;   // of each channel: what becomes black,
uniform vec3 u_gain;  // what the rest is stretched by,
uniform vec3 u_on;    // and 1, or 0 where the channel is off
uniform vec3 u_tone;  // brightness, contrast, 1 / gamma

vec3 shown(vec3 rgb) {
    vec3 value = clamp((rgb - u_low) * u_gain, 0.0, 1.0);
    value = clamp((value - 0.5) * u_tone.y + 0.5 + u_tone.x, 0.0, 1.0);
    return pow(value, vec3(u_tone.z)) * u_on;
}
#else
vec3 shown(vec3 rgb) { return rgb; }
#endif

in vec2 v_texel;
flat in vec4 v_tile;
out vec4 colour;

void main() {
    // Half a texel from the edge, so that a linear filter takes in nothing from outside the tile.
    vec2 texel = clamp(v_texel, vec2(0.5), v_tile.xy - 0.5);
    colour = vec4(shown(texture(u_tiles, vec3(texel / vec2(textureSize(u_tiles, 0).xy), v_tile.z)).rgb), 1.0);
}
