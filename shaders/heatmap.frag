#version 330 core
// Premultiplied heat, clipped to the grid. Row 0 of the texture is the highest price.
in float time_at;
in float height_at;

// The image in tiles, because a device has a largest texture: tile 0 is the upper left one, then those to its right.
uniform sampler2DArray heat;
uniform ivec2 cells; // columns and rows of the whole image
uniform ivec2 tile;  // columns and rows of a tile
uniform int across;  // tiles side by side

// The image before, while one eases into the other; its grid is the present one stretched and moved.
uniform sampler2DArray old_heat;
uniform ivec2 old_cells;
uniform ivec2 old_tile;
uniform int old_across;
uniform vec4 old_grid; // time: scale, offset; price: scale, offset
uniform float fresh;   // share of the present image, 1: all

uniform float opacity;
uniform bool smooth_cells;
uniform bool logarithmic;
// Position of the pane's top and bottom edge in the grid, 0 at its lowest price, 1 at its highest. For a logarithmic
// scale these are log(price / price1), near 0 where it matters, so that float32 suffices; price = exp(at) * price1 is
// brought to the grid by log_scale = price1 / (price1 - price0) and log_offset = price0 / (price1 - price0).
uniform float edge_top;
uniform float edge_bottom;
uniform float log_scale;
uniform float log_offset;

out vec4 color;

// Two pixels' edges must never leave a cell's middle between them by rounding.
const float OVERLAP = 1e-3;
// More cells per pixel and axis are not looked at: the image is rebuilt long before.
const int MOST = 64;

float price_share(float height) {
    float at = mix(edge_top, edge_bottom, height);
    return logarithmic ? exp(at) * log_scale - log_offset : at;
}

vec4 cell(sampler2DArray image, ivec2 tile_cells, int tiles, ivec2 at) {
    ivec2 which = at / tile_cells;
    return texelFetch(image, ivec3(at - which * tile_cells, which.y * tiles + which.x), 0);
}

// What a pixel from `low` to `high` shows, in cells from the image's upper left corner. A pixel that cells are smaller
// than shows the strongest of those whose middles it holds: each cell belongs to one pixel, and none vanishes.
vec4 seen(sampler2DArray image, ivec2 size, ivec2 tile_cells, int tiles, vec2 low, vec2 high) {
    vec2 middle = 0.5 * (low + high);
    if (any(lessThan(middle, vec2(0.0))) || any(greaterThanEqual(middle, vec2(size)))) return vec4(0.0);
    ivec2 last_cell = size - 1;
    vec2 width = high - low;
    if (smooth_cells && max(width.x, width.y) < 1.0) {
        vec2 corner = floor(middle - 0.5), share = middle - 0.5 - corner;
        ivec2 a = clamp(ivec2(corner), ivec2(0), last_cell), b = clamp(ivec2(corner) + 1, ivec2(0), last_cell);
        return mix(
            mix(cell(image, tile_cells, tiles, a), cell(image, tile_cells, tiles, ivec2(b.x, a.y)), share.x),
            mix(cell(image, tile_cells, tiles, ivec2(a.x, b.y)), cell(image, tile_cells, tiles, b), share.x), share.y);
    }
    ivec2 nearest = ivec2(floor(middle));
    ivec2 first = ivec2(ceil(low - 0.5 - OVERLAP)), last = ivec2(ceil(high - 0.5 + OVERLAP)) - 1;
    // A pixel smaller than a cell may hold no middle at all.
    first = clamp(min(first, nearest), ivec2(0), last_cell);
    last = clamp(max(last, first), first, min(first + MOST - 1, last_cell));
    if (width.x <= 1.0) first.x = last.x = nearest.x;
    if (width.y <= 1.0) first.y = last.y = nearest.y;
    vec4 strongest = vec4(0.0);
    for (int y = first.y; y <= last.y; ++y)
        for (int x = first.x; x <= last.x; ++x) {
            vec4 found = cell(image, tile_cells, tiles, ivec2(x, y));
            if (found.a > strongest.a) strongest = found;
        }
    return strongest;
}

void main() {
    float half_time = 0.5 * abs(dFdx(time_at)), half_height = 0.5 * abs(dFdy(height_at));
    vec2 times = vec2(time_at - half_time, time_at + half_time);
    vec2 prices = vec2(price_share(height_at - half_height), price_share(height_at + half_height));
    prices = vec2(min(prices.x, prices.y), max(prices.x, prices.y));
    color = vec4(0.0);
    if (fresh > 0.0) {
        vec2 size = vec2(cells);
        color = fresh * seen(heat, cells, tile, across,
            vec2(times.x, 1.0 - prices.y) * size, vec2(times.y, 1.0 - prices.x) * size);
    }
    if (fresh < 1.0) {
        vec2 size = vec2(old_cells);
        vec2 old_times = times * old_grid.x + old_grid.y, old_prices = prices * old_grid.z + old_grid.w;
        color += (1.0 - fresh) * seen(old_heat, old_cells, old_tile, old_across,
            vec2(old_times.x, 1.0 - old_prices.y) * size, vec2(old_times.y, 1.0 - old_prices.x) * size);
    }
    color *= opacity;
}
