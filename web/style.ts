/** The style of all pages: for narrow screens first, in the colours that the reader's system prefers. */

export const ICON =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#1d5fa8"/>` +
  `<path d="M3 4h10M3 8h10M3 12h6" stroke="#fff" stroke-width="2"/></svg>`;

export const STYLE = `
:root {
  --back: #fff; --front: #1b1d21; --soft: #575d68; --line: #d5d9e0; --raised: #f4f6f9; --link: #1a56a8;
  --good: #1a7a3c; --bad: #b3261e; --busy: #1a56a8; --late: #8a5a00; --focus: #1a56a8;
  --code: #f4f6f9; --good-fill: #3f9e61; --bad-fill: #d0453c; --busy-fill: #3a7bd0; --line-fill: #8a5a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #15171b; --front: #e4e7ec; --soft: #a3aab6; --line: #363b44; --raised: #1e2127; --link: #8ab6f4;
    --good: #6ccf8b; --bad: #ff9a90; --busy: #8ab6f4; --late: #e3b45a; --focus: #8ab6f4;
    --code: #1b1e23; --good-fill: #4aa869; --bad-fill: #d9544a; --busy-fill: #4f8fe0; --line-fill: #e3b45a;
  }
}
* { box-sizing: border-box; }
html { background: var(--back); color: var(--front); font: 16px/1.45 system-ui, sans-serif; overflow-y: scroll; scroll-padding-bottom: 4.5rem; }
body { margin: 0 auto; max-width: 76rem; padding: 0 0.75rem; }
a { color: var(--link); }
h1 { font-size: 1.4rem; margin: 0.75rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 0.5rem; }
p { margin: 0.5rem 0; }
code, pre, textarea { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.875rem; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 0.5rem; top: 0.5rem; background: var(--back); padding: 0.5rem; z-index: 2; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.n, time, td, dd, .axis { font-variant-numeric: tabular-nums; }
.n { color: var(--soft); font-weight: normal; }
header { border-bottom: 1px solid var(--line); padding: 0.5rem 0; }
.brand { display: flex; gap: 0.5rem; align-items: center; margin: 0; min-height: 1.7rem; }
.brand code { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.summary button { min-width: 6rem; }
.brand a { font-weight: 700; text-decoration: none; font-size: 1.15rem; }
header nav { display: flex; flex-wrap: wrap; gap: 0 0.25rem; margin-left: -0.5rem; }
header nav a { display: inline-block; padding: 0.4rem 0.5rem; min-height: 2.4rem; text-decoration: none; border-bottom: 3px solid transparent; }
header nav a[aria-current] { border-bottom-color: var(--link); font-weight: 600; }
footer { display: flex; gap: 1rem; align-items: center; color: var(--soft); border-top: 1px solid var(--line); margin-top: 2rem; padding: 0.5rem 0 1rem; font-size: 0.875rem; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 1rem; padding: 0 0.5rem; font-size: 0.8rem; font-weight: 600; color: var(--soft); vertical-align: middle; }
.badge.active { color: var(--busy); } .badge.complete { color: var(--good); } .badge.failed { color: var(--bad); }
.badge.paused { color: var(--late); }
button, input, select, textarea { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--soft); border-radius: 0.3rem; padding: 0.35rem 0.6rem; min-height: 2.4rem; max-width: 100%; }
textarea { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.875rem; width: 100%; }
button { cursor: pointer; background: var(--raised); }
button:hover { border-color: var(--link); }
button.main { background: var(--link); color: var(--back); border-color: var(--link); font-weight: 600; padding: 0.35rem 1.2rem; }
button.danger { color: var(--bad); }
button.plain { border: 0; background: none; color: var(--link); text-decoration: underline; padding: 0; }
input[type=checkbox] { min-height: 0; width: 1.15rem; height: 1.15rem; margin: 0.2rem; accent-color: var(--link); }
.search { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: end; margin: 1rem 0; }
.search label { display: grid; gap: 0.1rem; } .search label span { font-size: 0.8rem; color: var(--soft); }
.search input { width: 14rem; }
.summary { display: flex; flex-wrap: wrap; gap: 0.5rem 2rem; align-items: center; margin-top: 0.75rem; }
.summary dl { display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; margin: 0; }
dt { color: var(--soft); font-size: 0.8rem; } dd { margin: 0; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 0.5rem 1rem; margin: 0.75rem 0; }
meter, progress { width: 6rem; height: 0.8rem; vertical-align: middle; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-size: 0.8rem; font-weight: 600; color: var(--soft); padding: 0.25rem 0.5rem; border-bottom: 1px solid var(--line); }
td { padding: 0.35rem 0.5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:hover td { background: var(--raised); }
.check { width: 2.2rem; padding-left: 0; } td .name, h1.name { overflow-wrap: anywhere; }
.queue, .note { font-size: 0.8rem; color: var(--soft); margin-left: 0.5rem; display: inline-block; }
.error { color: var(--bad); overflow-wrap: anywhere; } td.what .error { margin-right: 0.75rem; }
.line { overflow-wrap: anywhere; color: var(--soft); } td.what .line { display: block; }
table:has(.job) { table-layout: fixed; } th.job { width: 32%; } th.when { width: 10rem; } th.state { width: 6.5rem; }
.facts div:has(.running) { grid-column: span 2; } progress { margin-right: 0.5rem; }
.running .for { display: inline-block; min-width: 6.5rem; } .running .wide { color: var(--soft); }
.tools { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; } .tool { display: inline-flex; gap: 0.25rem; align-items: center; } .tools label { display: inline-flex; gap: 0.4rem; align-items: center; margin-left: 0.5rem; } .tools input[type=number] { width: 5.5rem; } .tools span { color: var(--soft); font-size: 0.875rem; } .tool button, .tool select { color: var(--front); font-size: 1rem; }
#log-empty:not([hidden]) ~ .log #log:empty { min-height: 0; padding: 0; border: 0; } .empty, .hint { color: var(--soft); } .hint { font-size: 0.875rem; margin: 0.2rem 0 0.8rem; }
.said, .refused { margin: 0.75rem 0; } .said ul { margin: 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.said > div, p.refused { border-left: 4px solid var(--good); background: var(--raised); padding: 0.5rem 0.75rem; }
.said > .refused, p.refused { border-left-color: var(--bad); overflow-wrap: anywhere; }
.pages { display: flex; gap: 1.5rem; margin: 1rem 0; } .pages a { padding: 0.4rem 0; }
.forms { display: flex; flex-wrap: wrap; gap: 0.75rem 1.5rem; align-items: end; }
.forms form { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: end; }
.forms label { display: grid; } .forms label span { font-size: 0.8rem; color: var(--soft); } .forms input[type=number] { width: 6rem; }
.path code { overflow-wrap: anywhere; }
.fields label { display: grid; gap: 0.15rem; font-weight: 600; max-width: 48rem; }
.fields label > span { font-size: 0.9rem; } .fields input, .fields textarea { font-weight: normal; }
.settings { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 0.25rem 1.5rem; }
.settings > p:last-child { grid-column: 1 / -1; position: sticky; bottom: 0; background: var(--back); padding: 0.5rem 0; margin: 0; }
.settings label { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.875rem; }
.settings input[type=text] { width: 100%; }
.log { position: relative; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 0.3rem; padding: 0.5rem 0.75rem; margin: 0; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
#log { max-height: 70vh; min-height: 4rem; }
#follow { position: absolute; right: 1.25rem; bottom: 0.75rem; }
ol.script { background: var(--code); border: 1px solid var(--line); border-radius: 0.3rem; margin: 0; padding: 0.5rem 0.75rem 0.5rem 3.5rem; min-width: max-content; }
ol.script li::marker { color: var(--soft); font-size: 0.8rem; } ol.script code { white-space: pre; }
td.number, th.number { text-align: right; width: 3rem; } td.line svg { width: 100%; height: 0.6rem; min-width: 8rem; }
.rail { fill: var(--line); } svg .active { fill: var(--busy-fill); } svg .complete { fill: var(--good-fill); } svg .failed { fill: var(--bad-fill); }
svg .median { fill: var(--busy-fill); } svg .longest { fill: var(--line-fill); } .grid { stroke: var(--line); } .axis { fill: var(--soft); font-size: 11px; }
.hover { fill: transparent; } .span:hover .hover { fill: var(--line); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 0.75rem; }
.chart { margin: 0; } .chart figcaption { font-size: 0.875rem; } .chart svg { width: 100%; height: auto; display: block; }
.choice { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; align-items: baseline; } .choice a[aria-current] { font-weight: 600; text-decoration: none; color: inherit; }
.legend { display: flex; flex-wrap: wrap; gap: 0 0.75rem; } .legend > span { white-space: nowrap; } .legend { color: var(--soft); font-size: 0.8rem; } .key { display: inline-block; width: 0.7rem; height: 0.7rem; }
.key.complete { background: var(--good-fill); } .key.failed { background: var(--bad-fill); } .key.median { background: var(--busy-fill); } .key.longest { background: var(--line-fill); height: 3px; vertical-align: middle; }
.small { max-width: 32rem; margin: 3rem auto; }
#offline { position: fixed; left: 0.75rem; bottom: 0.75rem; margin: 0; background: var(--bad); color: var(--back); padding: 0.4rem 0.75rem; border-radius: 0.3rem; }
details { margin: 1.5rem 0; } summary { cursor: pointer; padding: 0.3rem 0; }
.bold { font-weight: 700; } .dim { opacity: 0.75; } .italic { font-style: italic; } .underline { text-decoration: underline; } .strike { text-decoration: line-through; }

.f0 { color: #3b3f46; } .f1 { color: #b3261e; } .f2 { color: #1a7a3c; } .f3 { color: #7d5700; } .f4 { color: #1a56a8; } .f5 { color: #8a2a94; } .f6 { color: #0b6d78; } .f7 { color: #575d68; }
.f8 { color: #575d68; } .f9 { color: #c4291f; } .f10 { color: #1b7d3d; } .f11 { color: #7d5700; } .f12 { color: #1c62c4; } .f13 { color: #9b30a6; } .f14 { color: #0b717d; } .f15 { color: #1b1d21; }
.b0 { background: #3b3f46; color: #fff; } .b1, .b9 { background: #b3261e; color: #fff; } .b2, .b10 { background: #1a7a3c; color: #fff; } .b3, .b11 { background: #7d5700; color: #fff; }
.b4, .b12 { background: #1a56a8; color: #fff; } .b5, .b13 { background: #8a2a94; color: #fff; } .b6, .b14 { background: #0b6d78; color: #fff; } .b7, .b15 { background: #d5d9e0; color: #1b1d21; } .b8 { background: #575d68; color: #fff; }
.inverse { background: var(--front); color: var(--back); }
@media (prefers-color-scheme: dark) {
  .f0 { color: #a3aab6; } .f1, .f9 { color: #ff9a90; } .f2, .f10 { color: #6ccf8b; } .f3, .f11 { color: #e3b45a; } .f4, .f12 { color: #8ab6f4; } .f5, .f13 { color: #e09be8; } .f6, .f14 { color: #6fd0da; } .f7, .f8 { color: #b9c0ca; } .f15 { color: #fff; }
}
@media (max-width: 44rem) {
  .wide { display: none; }
  th.when, th.what { display: none; } thead th { border: 0; } .facts div:has(.running) { grid-column: auto; }
  td { padding: 0.3rem 0.25rem; }
  table:has(.job) tr { display: grid; grid-template-columns: 2.2rem 1fr auto; border-bottom: 1px solid var(--line); }
  table:has(.job) thead tr { grid-template-columns: 2.2rem 1fr auto; }
  table:has(.job) td { border: 0; }
  td.check { grid-row: 1 / 3; } td.job { grid-column: 2; } td.state { grid-column: 3; } td.when { grid-column: 3; grid-row: 2; color: var(--soft); font-size: 0.875rem; text-align: right; }
  td.what { grid-column: 2; grid-row: 2; font-size: 0.9rem; }
  th.state { display: none; } .search input { width: 100%; } .search label:first-of-type { flex: 1 1 100%; }
}
`;
