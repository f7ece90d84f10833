#version 330 core
// Premultiplied heat, clipped to the grid. Row 0 of the texture is the highest price.
//
// Software OpenGL runs both sides of every "if", so what a frame does not need is not compiled for it:
// EXACT   fetch each cell by its number: for cells smaller than a pixel
// SMOOTH  (with EXACT; without it the sampler's filter decides) neighbouring cells blend into each other
// EASING  one image eases into the next
// LOGARITHMIC  y is linear in the logarithm of the price
in float time_at;
in float height_at;

uniform sampler2D heat;
#if EASING
// The previous image; its grid is the present one scaled and shifted.
uniform sampler2D old_heat;
uniform vec4 old_grid; // time: scale, offset; price: scale, offset
uniform float fresh;   // share of the present image, 1: all
#endif

uniform float opacity;
uniform float older_opacity;
uniform float window_start; // position of the window's beginning in the grid's time; what is older has its own opacity
// Position of the pane's top and bottom edge in the grid, 0 at its lowest price, 1 at its highest. For a LOGARITHMIC
// scale these are log(price / price1), near 0 where it matters, so that float32 suffices; price = exp(at) * price1 is
// brought to the grid by log_scale = price1 / (price1 - price0) and log_offset = price0 / (price1 - price0).
uniform float edge_top;
uniform float edge_bottom;
#if LOGARITHMIC
uniform float log_scale;
uniform float log_offset;
#endif

out vec4 color;

// Two pixels' edges must never leave a cell's middle between them by rounding.
const float OVERLAP = 1e-3;
// Most cells per pixel and axis; the image is rebuilt long before there are more.
const int MOST = 64;

float strength() {
    return time_at < window_start ? older_opacity : opacity;
}

float price_share(float height) {
    float at = mix(edge_top, edge_bottom, height);
#if LOGARITHMIC
    return exp(at) * log_scale - log_offset;
#else
    return at;
#endif
}

#if EXACT
// The colour of a pixel from `low` to `high`, both as shares of the image from its upper left corner.
vec4 pixel_color(sampler2D image, vec2 low, vec2 high) {
    ivec2 size = textureSize(image, 0), last_cell = size - 1;
    low *= vec2(size);
    high *= vec2(size);
    vec2 middle = 0.5 * (low + high);
    vec4 found = vec4(0.0);
#if SMOOTH
    vec2 corner = floor(middle - 0.5), share = middle - 0.5 - corner;
    ivec2 a = clamp(ivec2(corner), ivec2(0), last_cell), b = clamp(ivec2(corner) + 1, ivec2(0), last_cell);
    found = mix(
        mix(texelFetch(image, a, 0), texelFetch(image, ivec2(b.x, a.y), 0), share.x),
        mix(texelFetch(image, ivec2(a.x, b.y), 0), texelFetch(image, b, 0), share.x), share.y);
#else
    // Where cells are smaller than a pixel it shows the strongest of those whose middles lie in it: each cell belongs to
    // one pixel, and none vanishes. Along an axis on which cells are larger it shows the one in its middle.
    ivec2 nearest = ivec2(floor(middle));
    ivec2 first = ivec2(ceil(low - 0.5 - OVERLAP)), last = ivec2(ceil(high - 0.5 + OVERLAP)) - 1;
    bvec2 is_fine = greaterThan(high - low, vec2(1.0));
    first = clamp(ivec2(is_fine.x ? first.x : nearest.x, is_fine.y ? first.y : nearest.y), ivec2(0), last_cell);
    last = clamp(ivec2(is_fine.x ? last.x : nearest.x, is_fine.y ? last.y : nearest.y), first, min(first + MOST - 1, last_cell));
    for (int y = first.y; y <= last.y; ++y)
        for (int x = first.x; x <= last.x; ++x) {
            vec4 other = texelFetch(image, ivec2(x, y), 0);
            found = other.a > found.a ? other : found;
        }
#endif
    bool is_inside = all(greaterThanEqual(middle, vec2(0.0))) && all(lessThan(middle, vec2(size)));
    return is_inside ? found : vec4(0.0);
}

void main() {
    // Only constant steps: time is linear within a triangle, and height is everywhere.
    float half_time = 0.5 * abs(dFdx(time_at)), half_height = 0.5 * abs(dFdy(height_at));
    vec2 times = vec2(time_at - half_time, time_at + half_time);
    vec2 prices = vec2(price_share(height_at - half_height), price_share(height_at + half_height));
    prices = vec2(min(prices.x, prices.y), max(prices.x, prices.y));
    color = pixel_color(heat, vec2(times.x, 1.0 - prices.y), vec2(times.y, 1.0 - prices.x));
#if EASING
    times = times * old_grid.x + old_grid.y;
    prices = prices * old_grid.z + old_grid.w;
    color = mix(pixel_color(old_heat, vec2(times.x, 1.0 - prices.y), vec2(times.y, 1.0 - prices.x)), color, fresh);
#endif
    color *= strength();
}
#else
vec4 sampled(sampler2D image, vec2 at) {
    vec4 found = texture(image, vec2(at.x, 1.0 - at.y));
#if EASING
    // Without easing the triangles end where the image does.
    return at.x >= 0.0 && at.x < 1.0 && at.y >= 0.0 && at.y < 1.0 ? found : vec4(0.0);
#else
    return found;
#endif
}

void main() {
    vec2 at = vec2(time_at, price_share(height_at));
    color = sampled(heat, at);
#if EASING
    color = mix(sampled(old_heat, at * old_grid.xz + old_grid.yw), color, fresh);
#endif
    color *= strength();
}
#endif
