'use strict';
// Numbers and times of the chart in the program's language and time zone. The bars stay in UTC: only what is written
// changes. Intervals of a day and more show the exchange's days, which begin at midnight UTC.
class ChartFormats {
  static #DAY_S = 86400;
  #chart;
  #series;
  #locale = 'en-US';
  #zone = 'UTC'; // undefined: this computer's
  #written = new Map(); // Intl formatters by their options

  constructor(chart, series) {
    this.#chart = chart;
    this.#series = series;
    this.show({locale: this.#locale, zone: this.#zone});
  }

  /** Shows all in another language and zone: `locale` as in BCP 47, `zone` "UTC", "local" or an IANA name. */
  show({locale, zone}) {
    this.#locale = Intl.DateTimeFormat.supportedLocalesOf(locale.replace('_', '-')).length ? locale : 'en-US';
    this.#zone = zone === 'local' ? undefined : zone;
    this.#written.clear();
    this.#chart.applyOptions({
      localization: {locale: this.#locale, timeFormatter: (time) => this.#moment(time)},
      timeScale: {tickMarkFormatter: (time, type) => this.#tick(time, type)},
    });
  }

  /** Returns the series option for prices with so many decimals and this smallest step. */
  priceFormat(decimals, minMove) {
    return {type: 'custom', minMove, formatter: (price) => this.#number(price, decimals)};
  }

  #number(value, decimals) {
    return this.#cached(`number ${decimals}`, () => new Intl.NumberFormat(
      this.#locale, {minimumFractionDigits: decimals, maximumFractionDigits: decimals})).format(value);
  }

  #cached(key, make) {
    if (!this.#written.has(key)) this.#written.set(key, make());
    return this.#written.get(key);
  }

  #date(time, options, zone) {
    const key = JSON.stringify([options, zone]);
    const format = this.#cached(key, () => new Intl.DateTimeFormat(this.#locale, {...options, timeZone: zone}));
    return format.format(time * 1000);
  }

  #clock(time) {
    return this.#date(time, {hour: '2-digit', minute: '2-digit', hourCycle: 'h23'}, this.#zone);
  }

  #offset(time) {
    const format = this.#cached('offset', () => new Intl.DateTimeFormat(
      'en-US', {timeZone: this.#zone, timeZoneName: 'shortOffset'}));
    return format.formatToParts(time * 1000).find((part) => part.type === 'timeZoneName').value.replace('GMT', 'UTC');
  }

  #hasDays() {
    const [first, second] = [this.#series.dataByIndex(0), this.#series.dataByIndex(1)];
    return Boolean(first && second) && second.time - first.time >= ChartFormats.#DAY_S;
  }

  #moment(time) {
    const day = {day: 'numeric', month: 'short', year: 'numeric'};
    if (this.#hasDays()) return this.#date(time, day, 'UTC');
    return `${this.#date(time, day, this.#zone)}  ${this.#clock(time)} ${this.#offset(time)}`;
  }

  // The library puts its marks at the days of UTC: in another zone such a mark has a time of day, too.
  #tick(time, type) {
    const types = LightweightCharts.TickMarkType, hasDays = this.#hasDays(), zone = hasDays ? 'UTC' : this.#zone;
    const clock = this.#clock(time), numeric = (part) => this.#date(time, {[part]: 'numeric'}, zone);
    if (!hasDays && clock !== '00:00') {
      const isTime = type === types.Time || type === types.TimeWithSeconds;
      return isTime ? clock : `${numeric('day')} ${clock}`;
    }
    if (this.#date(time, {day: 'numeric'}, zone).replace(/\D/g, '') !== '1') return numeric('day');
    const isJanuary = this.#date(time, {month: 'numeric'}, zone).replace(/\D/g, '') === '1';
    return isJanuary ? numeric('year') : this.#date(time, {month: 'short'}, zone);
  }
}
