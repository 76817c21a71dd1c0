#version 330 core
// Tiles of the slide.

uniform sampler2DArray u_tiles;

in vec2 v_texel;
flat in vec4 v_tile;
out vec4 colour;

void main() {
    // Half a texel from the edge, so that a linear filter takes in nothing from outside the tile.
    vec2 texel = clamp(v_texel, vec2(0.5), v_tile.xy - 0.5);
    colour = vec4(texture(u_tiles, vec3(texel / vec2(textureSize(u_tiles, 0).xy), v_tile.z)).rgb, 1.0);
}
