#version 330 core
// One rectangle: the map of densities.

uniform vec4 u_rect;  // left, top, right, bottom in clip space

out vec2 v_uv;

void main() {
    v_uv = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    gl_Position = vec4(mix(u_rect.xy, u_rect.zw, v_uv), 0.0, 1.0);
}
