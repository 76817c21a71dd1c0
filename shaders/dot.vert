#version 330 core
// Centroids as round points.

uniform vec2 u_centre;   // of the view, in slide pixels from the same point as the positions
uniform vec2 u_to_clip;  // clip space to a slide pixel
uniform float u_radius;  // in screen pixels

layout(location = 0) in vec2 a_point;
layout(location = 3) in vec4 a_turn;  // as in tile.vert

void main() {
    gl_Position = vec4(mat2(a_turn.xy, a_turn.zw) * ((a_point - u_centre) * u_to_clip), 0.0, 1.0);
    // A pixel more for the soft edge.
    gl_PointSize = 2.0 * u_radius + 1.0;
}
