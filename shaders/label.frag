#version 330 core
// Cells from label tiles. Variants: MASK fills them, OUTLINE draws their borders, none is the background alone.
// BY_CELL and BY_VALUE choose the fill by the cell's number or by a value of its own; SELECTED marks one cell.
// DENSE is for tiles so coarse that they tell how much of a texel is cell.
// Colours are premultiplied by the overlay's opacity.

uniform usampler2DArray u_labels;  // low 24 bits: label; high 8: how near its border is (labeltiles.py), or in
                                   // dense tiles the share of cell
uniform vec4 u_background;
uniform vec4 u_fill;
uniform vec4 u_line;
uniform float u_width;             // of the outline, in screen pixels
uniform uint u_selected;           // label of the marked cell
uniform vec4 u_mark;
uniform float u_mark_width;
uniform sampler2D u_values;        // value of a label, 4096 to a row; below -1e38 where there is none
uniform vec2 u_range;              // the value of the map's first colour, and 1 / (last - first)
uniform sampler2D u_map;           // colours for values, one row
uniform vec4 u_none;               // for cells without a value
uniform float u_alpha;

in vec2 v_texel;
flat in vec4 v_tile;
out vec4 colour;

vec4 fill(uint cell) {
#if defined(BY_CELL)
    // Neighbours have numbers near each other: the golden ratio sets their hues far apart.
    uint spread = cell * 2654435769u;
    float hue = float(spread >> 8) / 16777216.0;
    float shade = 1.0 - 0.2 * float((spread >> 4) % 3u);
    vec3 rgb = clamp(abs(fract(hue + vec3(0.0, 2.0, 1.0) / 3.0) * 6.0 - 3.0) - 1.0, 0.0, 1.0);
    return vec4(mix(vec3(1.0), rgb, 0.8) * shade * u_alpha, u_alpha);
#elif defined(BY_VALUE)
    int rows = textureSize(u_values, 0).y;
    float value = texelFetch(u_values, ivec2(int(cell & 4095u), min(int(cell >> 12), rows - 1)), 0).r;
    float at = clamp((value - u_range.x) * u_range.y, 0.0, 1.0);
    vec3 rgb = texelFetch(u_map, ivec2(int(at * 255.0 + 0.5), 0), 0).rgb;
    return value < -1e38 || int(cell >> 12) >= rows ? u_none : vec4(rgb * u_alpha, u_alpha);
#else
    return u_fill;
#endif
}

// Whether a line of so many texels along the cell's border covers this place.
bool on_line(uint near_border, vec2 inside, float width) {
    if ((near_border & 0x11u) == 0x11u) {
        uint steps = (near_border >> 1 & 7u) | (near_border >> 5) << 3;
        return 1.5 + 0.25 * float(steps) < width;
    }
    // Along the sides and corners of the texel where another label begins.
    vec2 low = step(inside, vec2(width));
    vec2 high = step(1.0 - inside, vec2(width));
    uvec4 side = uvec4(low.y, high.x, high.y, low.x);  // N E S W
    uint near = side.x | side.y << 1 | side.z << 2 | side.w << 3
        | (side.x & side.y) << 4 | (side.z & side.y) << 5 | (side.z & side.w) << 6 | (side.x & side.w) << 7;
    return (near_border & near) != 0u;
}

void main() {
    ivec2 at = clamp(ivec2(v_texel), ivec2(0), ivec2(v_tile.xy) - 1);
    uint label = texelFetch(u_labels, ivec3(at, int(v_tile.z)), 0).r;
    uint cell = label & 0xFFFFFFu;
    colour = u_background;
#if defined(DENSE) && defined(MASK)
    colour = mix(u_background, fill(cell), float(label >> 24) / 255.0);
#elif defined(DENSE) && defined(OUTLINE)
    colour = mix(u_background, u_line, float(label >> 24) / 255.0);
#elif !defined(DENSE)
#ifdef MASK
    colour = cell != 0u ? fill(cell) : colour;
#endif
#ifdef OUTLINE
    colour = on_line(label >> 24, v_texel - vec2(at), u_width / v_tile.w) ? u_line : colour;
#endif
#ifdef SELECTED
    bool marked = cell == u_selected && on_line(label >> 24, v_texel - vec2(at), u_mark_width / v_tile.w);
    colour = marked ? u_mark : colour;
#endif
#endif
}
