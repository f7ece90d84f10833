// The bars of a series as runs of equal spacing: [first logical index, first time in s, step in s, number of bars].
// Lightweight Charts spaces bars evenly and collapses gaps, so a few runs define time -> x.
function timeInSeconds(time) {
  if (typeof time === 'number') return time;
  if (typeof time === 'string') return Date.parse(time + 'T00:00:00Z') / 1000;
  return Date.UTC(time.year, time.month - 1, time.day) / 1000;
}

// The most frequent time per step of the logical index; 60 s for a single bar.
function usualStep(points) {
  const counts = new Map();
  let usual = 60, best = 0;
  for (let k = 1; k < points.length; k++) {
    const step = (points[k][1] - points[k - 1][1]) / (points[k][0] - points[k - 1][0]);
    const count = (counts.get(step) || 0) + 1;
    counts.set(step, count);
    if (count > best) { usual = step; best = count; }
  }
  return usual;
}

// Points are [logical index, time in s], ascending. A bar reaches to the next one unless a gap follows: months and days
// with a clock change differ a little in length (up to 31/28), anything longer than that is a gap. Where points of another
// series lie between two bars (it has bars where this one has none, or finer ones), the time between is spread over them.
function runsOf(points) {
  const usual = usualStep(points);
  const runs = [];
  points.forEach(([index, time], k) => {
    const next = points[k + 1];
    const width = next ? next[0] - index : 1, reach = next ? (next[1] - time) / width : usual;
    const isWhole = reach > 0 && reach <= 1.2 * usual;
    const step = isWhole ? reach : usual, count = isWhole ? width : 1;
    const run = runs[runs.length - 1];
    if (run && index === run[0] + run[3] && time === run[1] + run[3] * run[2] && step === run[2]) run[3] += count;
    else runs.push([index, time, step, count]);
  });
  return runs;
}

// [logical index, time in s] of each bar. Other series of the chart may add points to the time scale, so an index of this
// series' data is not yet a logical index.
function pointsOf(series) {
  const total = series.data().length;
  const points = [];
  const LONGEST_HOLE = 100000;
  for (let index = 0, misses = 0; points.length < total && misses < LONGEST_HOLE; index++) {
    const bar = series.dataByIndex(index);
    if (bar === null || bar === undefined) { misses++; continue; }
    misses = 0;
    points.push([index, timeInSeconds(bar.time)]);
  }
  return points;
}
