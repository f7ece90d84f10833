#version 330 core
// Premultiplied heat, clipped to the grid. Row 0 of the texture is the highest price.
in float time_at;
in float height_at;

uniform sampler2D heat;
uniform float opacity;
uniform bool logarithmic;
// Position of the pane's top and bottom edge in the grid, 0 at its lowest price, 1 at its highest. For a logarithmic
// scale these are log(price / price1), near 0 where it matters, so that float32 suffices; price = exp(at) * price1 is
// brought to the grid by log_scale = price1 / (price1 - price0) and log_offset = price0 / (price1 - price0).
uniform float edge_top;
uniform float edge_bottom;
uniform float log_scale;
uniform float log_offset;

out vec4 color;

void main() {
    float at = mix(edge_top, edge_bottom, height_at);
    float price_at = logarithmic ? exp(at) * log_scale - log_offset : at;
    if (time_at < 0.0 || time_at >= 1.0 || price_at < 0.0 || price_at >= 1.0) discard;
    color = texture(heat, vec2(time_at, 1.0 - price_at)) * opacity;
}
