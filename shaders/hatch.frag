#version 330 core
// Diagonal lines in a grey that shows on black and on white; they move with the chart.
in vec2 along; // device pixels: right of the gap's beginning, below the pane's top

uniform float line_px;    // width of a line
uniform float spacing_px; // from one line to the next

out vec4 color;

const float STRENGTH = 0.30;

void main() {
    float at = mod(along.x + along.y, spacing_px);
    float covered = min(at, spacing_px - at) < 0.5 * line_px ? 1.0 : 0.0;
    color = vec4(vec3(0.5), 1.0) * STRENGTH * covered; // premultiplied
}
