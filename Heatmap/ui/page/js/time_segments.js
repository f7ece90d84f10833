// The bars of a series as runs of equal spacing: [first logical index, first time in s, step in s, number of bars].
// Lightweight Charts spaces bars evenly and collapses gaps, so a few runs define time -> x.
function timeInSeconds(time) {
  if (typeof time === 'number') return time;
  if (typeof time === 'string') return Date.parse(time + 'T00:00:00Z') / 1000;
  return Date.UTC(time.year, time.month - 1, time.day) / 1000;
}

// A bar reaches to the next one unless a gap follows: months and days with a clock change differ a little in length (up to
// 31/28), anything longer than that is a gap. Where points of another series lie between two bars (it has bars where this
// one has none, or finer ones), the time between is spread over them.
class BarRuns {
  constructor(series) {
    this._series = series;
    this.runs = [];
    this._changedFrom = 0; // the number of runs that are as they were when `changes` was called last
    this._takenLength = null; // and how many there were
    this.read();
  }

  // Read all bars.
  read() {
    const before = this.runs, changedFrom = this._changedFrom;
    const times = this._series.data().map((bar) => timeInSeconds(bar.time));
    const indices = this._indicesOf(times), indexOf = (k) => indices ? indices[k] : k;
    const count = indices ? indices.length : times.length;
    this.runs = [];
    this._last = null;
    this._first = count ? [indexOf(0), times[0]] : null;
    this._countSteps(times, count, indexOf);
    for (let k = 0; k < count; k++) this._append(indexOf(k), times[k]);
    this._close();
    const other = this.runs.findIndex((run, k) => k >= before.length || run.some((value, at) => value !== before[k][at]));
    this._changedFrom = Math.min(changedFrom, other < 0 ? this.runs.length : other);
  }

  // Read the bars behind those that are known, whose number does not matter; return false where it takes `read`.
  extend() {
    const NEAREST_LEFT = -1, LONGEST_HOLE = 100000;
    const newest = this._series.dataByIndex(Number.MAX_SAFE_INTEGER, NEAREST_LEFT);
    if (!newest || !this._last || !this.isInPlace()) return false;
    const time = timeInSeconds(newest.time);
    if (time === this._last[1]) return true; // the last bar changes several times a second
    this._open();
    for (let index = this._last[0] + 1; this._last[1] < time; index++) {
      const bar = this._series.dataByIndex(index);
      if (!bar && index - this._last[0] < LONGEST_HOLE) continue;
      if (!bar || this._isNewUsual(timeInSeconds(bar.time), index)) return false;
      this._append(index, timeInSeconds(bar.time));
    }
    if (this._last[1] !== time) return false;
    this._close();
    return true;
  }

  // Points of another series shift the index of the bars behind them, without an event.
  isInPlace() {
    return [this._first, this._last].every((point) => !point || this._isAt(...point));
  }

  // Return {keep, runs}: how many of the runs of the last call stay, and those that follow; null if all stay.
  changes() {
    const keep = Math.min(this._changedFrom, this.runs.length);
    if (keep === this.runs.length && keep === this._takenLength) return null;
    this._changedFrom = this._takenLength = this.runs.length;
    return {keep, runs: this.runs.slice(keep)};
  }

  // Hand out all runs at the next call of `changes`.
  forget() {
    this._changedFrom = 0;
    this._takenLength = null;
  }

  _isAt(index, time) {
    const bar = this._series.dataByIndex(index);
    return Boolean(bar) && timeInSeconds(bar.time) === time;
  }

  // The logical index of each bar; null where it is the bar's number. Other series of the chart may add points to the time
  // scale.
  _indicesOf(times) {
    const last = times.length - 1, LONGEST_HOLE = 100000;
    if (last < 0 || (this._isAt(0, times[0]) && this._isAt(last, times[last]))) return null;
    const indices = [];
    for (let index = 0, misses = 0; indices.length < times.length && misses < LONGEST_HOLE; index++) {
      const bar = this._series.dataByIndex(index);
      if (bar === null || bar === undefined) { misses++; continue; }
      misses = 0;
      indices.push(index);
    }
    return indices;
  }

  // The usual step is the most frequent time per step of the logical index; 60 s for a single bar.
  _countSteps(times, count, indexOf) {
    this._counts = new Map();
    this._usual = 60;
    let best = 0;
    for (let k = 1; k < count; k++) {
      const step = (times[k] - times[k - 1]) / (indexOf(k) - indexOf(k - 1));
      const steps = (this._counts.get(step) || 0) + 1;
      this._counts.set(step, steps);
      if (steps > best) { this._usual = step; best = steps; }
    }
  }

  // Count the step to a bar behind the last one; return true if it becomes the usual one. It must be twice as frequent as the
  // one that was, so that this happens seldom.
  _isNewUsual(time, index) {
    const step = (time - this._last[1]) / (index - this._last[0]);
    const steps = (this._counts.get(step) || 0) + 1;
    this._counts.set(step, steps);
    return step !== this._usual && steps > 2 * (this._counts.get(this._usual) || 0);
  }

  _append(index, time) {
    const last = this._last;
    if (last) this._add(...last, index - last[0], (time - last[1]) / (index - last[0]));
    this._last = [index, time];
  }

  // The last bar reaches as far as is usual.
  _close() { if (this._last) this._add(...this._last, 1, this._usual); }

  _open() {
    const run = this.runs[this.runs.length - 1];
    this._changedFrom = Math.min(this._changedFrom, this.runs.length - 1);
    if (run[3] > 1) run[3]--;
    else this.runs.pop();
  }

  _add(index, time, width, reach) {
    const isWhole = reach > 0 && reach <= 1.2 * this._usual;
    const step = isWhole ? reach : this._usual, count = isWhole ? width : 1;
    const last = this.runs.length - 1, run = this.runs[last];
    if (run && index === run[0] + run[3] && time === run[1] + run[3] * run[2] && step === run[2]) {
      run[3] += count;
      this._changedFrom = Math.min(this._changedFrom, last);
    } else this.runs.push([index, time, step, count]);
  }
}
