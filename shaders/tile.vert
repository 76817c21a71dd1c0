#version 330 core
// Rectangles of tiles, one instance each: a strip of four corners without any vertex buffer.

layout(location = 0) in vec4 a_clip;   // left, top, right, bottom in clip space
layout(location = 1) in vec4 a_texel;  // the same of what is shown of the tile, in texels
layout(location = 2) in vec4 a_tile;   // width and height of the tile in texels, layer, screen pixels to a texel
layout(location = 3) in vec4 a_turn;   // columns of the matrix that turns the view; the same for all

out vec2 v_texel;
flat out vec4 v_tile;

void main() {
    // Corners pick edges rather than compute them: neighbours get the same edge to the last bit.
    bool right = (gl_VertexID & 1) != 0;
    bool bottom = (gl_VertexID & 2) != 0;
    v_texel = vec2(right ? a_texel.z : a_texel.x, bottom ? a_texel.w : a_texel.y);
    v_tile = a_tile;
    vec2 place = vec2(right ? a_clip.z : a_clip.x, bottom ? a_clip.w : a_clip.y);
    gl_Position = vec4(mat2(a_turn.xy, a_turn.zw) * place, 0.0, 1.0);
}
