/**
 * Pages and drawings: HTML as text, one file that needs nothing else.
 *
 * @module philab/report
 */
export { barChart, type BarChartOptions } from "./bar-chart.ts";
export { html, type Html } from "./html.ts";
export { lineChart, type LineChartOptions, type LineSeries } from "./line-chart.ts";
export { page, section, type PageOptions } from "./page.ts";
