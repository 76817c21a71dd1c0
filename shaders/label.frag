#version 330 core
// Cells from label tiles. Variants: MASK fills them, OUTLINE draws their borders, none is the background alone;
// DENSE is for tiles so coarse that they tell how much of a texel is cell.
// Colours are premultiplied by the overlay's opacity.

uniform usampler2DArray u_labels;  // low 24 bits: label; high 8: neighbours N E S W NE SE SW NW that
                                   // differ, or in dense tiles the share of cell
uniform vec4 u_background;
uniform vec4 u_fill;
uniform vec4 u_line;
uniform float u_width;             // of the outline, in screen pixels

in vec2 v_texel;
flat in vec4 v_tile;
out vec4 colour;

void main() {
    ivec2 at = clamp(ivec2(v_texel), ivec2(0), ivec2(v_tile.xy) - 1);
    uint label = texelFetch(u_labels, ivec3(at, int(v_tile.z)), 0).r;
    colour = u_background;
#if defined(DENSE) && defined(MASK)
    colour = mix(u_background, u_fill, float(label >> 24) / 255.0);
#elif defined(DENSE) && defined(OUTLINE)
    colour = mix(u_background, u_line, float(label >> 24) / 255.0);
#elif !defined(DENSE)
#ifdef MASK
    colour = (label & 0xFFFFFFu) != 0u ? u_fill : colour;
#endif
#ifdef OUTLINE
    // The line runs inside the cell, along the sides and corners of a texel where another label begins.
    vec2 inside = v_texel - vec2(at);
    vec2 low = step(inside * v_tile.w, vec2(u_width));
    vec2 high = step((1.0 - inside) * v_tile.w, vec2(u_width));
    uvec4 side = uvec4(low.y, high.x, high.y, low.x);  // N E S W
    uint near = side.x | side.y << 1 | side.z << 2 | side.w << 3
        | (side.x & side.y) << 4 | (side.z & side.y) << 5 | (side.z & side.w) << 6 | (side.x & side.w) << 7;
    colour = (label >> 24 & near) != 0u ? u_line : colour;
#endif
#endif
}
