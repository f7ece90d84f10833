#version 330 core
// Premultiplied heat, clipped to the grid. Row 0 of the texture is the highest price.
in float time_at;
in float height_at;

uniform sampler2D heat;
uniform float opacity;
uniform bool logarithmic;
// Position of the pane's top and bottom edge in the grid, 0 at its lowest price, 1 at its highest. For a logarithmic
// scale these are log(price / price0) and `log_span` is (price1 - price0) / price0: price ratios keep float32 exact.
uniform float edge_top;
uniform float edge_bottom;
uniform float log_span;

out vec4 color;

void main() {
    float at = mix(edge_top, edge_bottom, height_at);
    float price_at = logarithmic ? (exp(at) - 1.0) / log_span : at;
    if (time_at < 0.0 || time_at >= 1.0 || price_at < 0.0 || price_at >= 1.0) discard;
    color = texture(heat, vec2(time_at, 1.0 - price_at)) * opacity;
}
