#version 330 core
// What became of cells that were compared: each label's kind picks a colour. DENSE is for tiles so coarse that they
// tell how much of a texel is cell.

uniform usampler2DArray u_labels;  // low 24 bits: label; high 8, in dense tiles: the share of cell
uniform usampler2D u_kinds;        // kind of a label, 4096 to a row
uniform vec4 u_colours[4];         // of each kind, premultiplied

in vec2 v_texel;
flat in vec4 v_tile;
out vec4 colour;

void main() {
    ivec2 at = clamp(ivec2(v_texel), ivec2(0), ivec2(v_tile.xy) - 1);
    uint label = texelFetch(u_labels, ivec3(at, int(v_tile.z)), 0).r;
    ivec2 place = ivec2(int(label & 4095u), int(label >> 12 & 4095u));
    // Cells that came after the comparison are of no kind yet.
    uint kind = place.y < textureSize(u_kinds, 0).y ? texelFetch(u_kinds, place, 0).r : 0u;
    colour = u_colours[min(kind, 3u)];
#ifdef DENSE
    colour *= float(label >> 24) / 255.0;
#endif
}
