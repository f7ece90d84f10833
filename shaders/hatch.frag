#version 330 core
// Diagonal lines in a grey that shows on black and on white; they move with the chart, by whole pixels.
flat in float shift;

uniform float line_px;    // width of a line, device pixels
uniform float spacing_px; // from one line to the next
uniform float strength;   // opacity of a line
uniform vec2 surface_px;

out vec4 color;

void main() {
    float row = surface_px.y - 1.0 - floor(gl_FragCoord.y); // from the top
    float at = mod(floor(gl_FragCoord.x) + shift + row, spacing_px);
    color = vec4(vec3(0.5), 1.0) * strength * (at < line_px - 0.5 ? 1.0 : 0.0); // premultiplied
}
