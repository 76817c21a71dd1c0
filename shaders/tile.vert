#version 330 core
// A rectangle: one tile, placed in the view. Drawn as a strip of four vertices without any buffer.

uniform vec4 u_rect;  // left, top, width, height in clip space; top to bottom is negative height
uniform vec4 u_uv;    // left, top, width, height of what is shown of the texture

out vec2 v_uv;

void main() {
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    v_uv = u_uv.xy + corner * u_uv.zw;
    gl_Position = vec4(u_rect.xy + corner * u_rect.zw, 0.0, 1.0);
}
