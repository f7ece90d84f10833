#version 330 core
// Premultiplied heat, clipped to the grid. Row 0 of the texture is the highest price.
//
// Software OpenGL runs both sides of every "if", so what is not needed for a frame is not compiled for it:
// EXACT   look at each cell by its number: for images in several tiles, and for cells smaller than a pixel
// SMOOTH  (with EXACT; without it the sampler's filter decides) neighbouring cells blend into each other
// EASING  one image eases into the next
// LOGARITHMIC  y is linear in the logarithm of the price
in float time_at;
in float height_at;

// The image in tiles, because a device has a largest texture: tile 0 is the upper left one, then those to its right.
uniform sampler2DArray heat;
#if EXACT
uniform ivec2 cells; // columns and rows of the whole image
uniform ivec2 tile;  // columns and rows of a tile
uniform int across;  // tiles side by side
#endif

#if EASING
// The image before; its grid is the present one stretched and moved.
uniform sampler2DArray old_heat;
#if EXACT
uniform ivec2 old_cells;
uniform ivec2 old_tile;
uniform int old_across;
#endif
uniform vec4 old_grid; // time: scale, offset; price: scale, offset
uniform float fresh;   // share of the present image, 1: all
#endif

uniform float opacity;
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
// More cells per pixel and axis are not looked at: the image is rebuilt long before.
const int MOST = 64;

float price_share(float height) {
    float at = mix(edge_top, edge_bottom, height);
#if LOGARITHMIC
    return exp(at) * log_scale - log_offset;
#else
    return at;
#endif
}

#if EXACT
vec4 cell(sampler2DArray image, ivec2 tile_cells, int tiles, ivec2 at) {
    ivec2 which = at / tile_cells;
    return texelFetch(image, ivec3(at - which * tile_cells, which.y * tiles + which.x), 0);
}

// What a pixel from `low` to `high` shows, in cells from the image's upper left corner.
vec4 seen(sampler2DArray image, ivec2 size, ivec2 tile_cells, int tiles, vec2 low, vec2 high) {
    vec2 middle = 0.5 * (low + high);
    ivec2 last_cell = size - 1;
    vec4 found = vec4(0.0);
#if SMOOTH
    vec2 corner = floor(middle - 0.5), share = middle - 0.5 - corner;
    ivec2 a = clamp(ivec2(corner), ivec2(0), last_cell), b = clamp(ivec2(corner) + 1, ivec2(0), last_cell);
    found = mix(
        mix(cell(image, tile_cells, tiles, a), cell(image, tile_cells, tiles, ivec2(b.x, a.y)), share.x),
        mix(cell(image, tile_cells, tiles, ivec2(a.x, b.y)), cell(image, tile_cells, tiles, b), share.x), share.y);
#else
    // A pixel that cells are smaller than shows the strongest of those whose middles it holds: each cell belongs to one
    // pixel, and none vanishes. Across an axis on which cells are larger it shows the one in its middle.
    ivec2 nearest = ivec2(floor(middle));
    ivec2 first = ivec2(ceil(low - 0.5 - OVERLAP)), last = ivec2(ceil(high - 0.5 + OVERLAP)) - 1;
    bvec2 is_fine = greaterThan(high - low, vec2(1.0));
    first = clamp(ivec2(is_fine.x ? first.x : nearest.x, is_fine.y ? first.y : nearest.y), ivec2(0), last_cell);
    last = clamp(ivec2(is_fine.x ? last.x : nearest.x, is_fine.y ? last.y : nearest.y), first, min(first + MOST - 1, last_cell));
    for (int y = first.y; y <= last.y; ++y)
        for (int x = first.x; x <= last.x; ++x) {
            vec4 other = cell(image, tile_cells, tiles, ivec2(x, y));
            found = other.a > found.a ? other : found;
        }
#endif
    bool is_inside = all(greaterThanEqual(middle, vec2(0.0))) && all(lessThan(middle, vec2(size)));
    return is_inside ? found : vec4(0.0);
}

void main() {
    // Only constant steps: within a strip time is linear, and height is everywhere.
    float half_time = 0.5 * abs(dFdx(time_at)), half_height = 0.5 * abs(dFdy(height_at));
    vec2 times = vec2(time_at - half_time, time_at + half_time);
    vec2 prices = vec2(price_share(height_at - half_height), price_share(height_at + half_height));
    prices = vec2(min(prices.x, prices.y), max(prices.x, prices.y));
    vec2 size = vec2(cells);
    color = seen(heat, cells, tile, across, vec2(times.x, 1.0 - prices.y) * size, vec2(times.y, 1.0 - prices.x) * size);
#if EASING
    size = vec2(old_cells);
    times = times * old_grid.x + old_grid.y;
    prices = prices * old_grid.z + old_grid.w;
    vec4 old = seen(old_heat, old_cells, old_tile, old_across,
        vec2(times.x, 1.0 - prices.y) * size, vec2(times.y, 1.0 - prices.x) * size);
    color = mix(old, color, fresh);
#endif
    color *= opacity;
}
#else
vec4 seen(sampler2DArray image, vec2 at) {
    vec4 found = texture(image, vec3(at.x, 1.0 - at.y, 0.0));
#if EASING
    // Without easing the strips end where the image does.
    return at.x >= 0.0 && at.x < 1.0 && at.y >= 0.0 && at.y < 1.0 ? found : vec4(0.0);
#else
    return found;
#endif
}

void main() {
    vec2 at = vec2(time_at, price_share(height_at));
    color = seen(heat, at);
#if EASING
    color = mix(seen(old_heat, at * old_grid.xz + old_grid.yw), color, fresh);
#endif
    color *= opacity;
}
#endif
