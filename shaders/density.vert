#version 330 core
// One rectangle: the map of densities.

uniform vec4 u_rect;  // left, top, right, bottom in clip space

layout(location = 3) in vec4 a_turn;  // as in tile.vert

out vec2 v_uv;

void main() {
    v_uv = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    gl_Position = vec4(mat2(a_turn.xy, a_turn.zw) * mix(u_rect.xy, u_rect.zw, v_uv), 0.0, 1.0);
}
