#version 330 core
// How many cells there are, where single ones can't be told apart.

uniform sampler2D u_density;  // cells per slide pixel squared
uniform float u_busy;         // the density that is drawn at full strength
uniform vec4 u_colour;        // premultiplied

in vec2 v_uv;
out vec4 colour;

void main() {
    // The power keeps thin stretches visible beside crowded ones.
    colour = u_colour * pow(clamp(texture(u_density, v_uv).r / u_busy, 0.0, 1.0), 0.7);
}
