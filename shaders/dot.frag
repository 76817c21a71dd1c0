#version 330 core
// A round dot with a soft edge.

uniform float u_radius;
uniform vec4 u_colour;  // premultiplied

out vec4 colour;

void main() {
    float away = length(gl_PointCoord - 0.5) * (2.0 * u_radius + 1.0);
    colour = u_colour * clamp(u_radius + 0.5 - away, 0.0, 1.0);
}
