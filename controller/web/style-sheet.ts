/** The one style sheet. Text in a module, so that it is there however Tagboat is installed. */
import { createHash } from 'node:crypto';

export const STYLE = `
:root {
  color-scheme: light dark;
  --sea: #0d5c7a; --sea-deep: #0a3d52; --foam: #eef4f6; --paper: #fff; --ink: #12232c; --quiet: #566973; --line: #d8e2e6;
  --good: #14683c; --good-bg: #dcf3e5; --bad: #a3271a; --bad-bg: #fde6e1; --busy: #7d5300; --busy-bg: #fdf0cf; --dull: #4b5b64; --dull-bg: #e6ecef;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --sea: #6cc4e3; --sea-deep: #07202c; --foam: #0b161c; --paper: #12212a; --ink: #e3edf1; --quiet: #94a9b4; --line: #24363f;
    --good: #7fdca6; --good-bg: #12382a; --bad: #ff9f8f; --bad-bg: #46201b; --busy: #f3c969; --busy-bg: #3d3113; --dull: #a9bac3; --dull-bg: #22333c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column; background: var(--foam); color: var(--ink);
  font: 400 1rem/1.5 "Inter", "Source Sans 3", system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums;
}
a { color: var(--sea); text-decoration-thickness: 1px; text-underline-offset: 2px; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 3px solid #e4572e; outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .6rem; letter-spacing: -.005em; }
h3 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
h4 { font-size: .8rem; margin: .9rem 0 .3rem; color: var(--quiet); font-weight: 600; }
p { margin: .25rem 0; }
code, pre { font-family: var(--mono); font-size: .85em; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem 1rem; z-index: 2; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.bar { display: flex; align-items: center; gap: .5rem 1.5rem; flex-wrap: wrap; padding: .65rem max(1rem, calc((100vw - 82rem) / 2)); background: var(--sea-deep); color: #fff; }
.bar a { color: #fff; text-decoration: none; }
.bar a:hover { text-decoration: underline; }
.brand { display: flex; align-items: center; gap: .6rem; font-weight: 700; font-size: 1.1rem; letter-spacing: -.01em; }
.bar ol { display: flex; flex-wrap: wrap; list-style: none; margin: 0; padding: 0; }
.bar li + li::before { content: "/"; margin: 0 .5rem; opacity: .5; }
.bar [aria-current] { font-weight: 600; }
.bar nav { flex: 1; }
.bar button { order: 3; font: inherit; font-size: .8rem; color: #fff; background: transparent; border: 1px solid rgb(255 255 255 / .35); border-radius: 99px; padding: .15rem .75rem; cursor: pointer; }
.bar button:hover { background: rgb(255 255 255 / .12); }
.bar button.live::before { content: "●"; color: #7fdca6; margin-right: .4rem; }
#live { font-size: .85rem; color: #ffd166; order: 2; }
.tabs { background: var(--paper); border-bottom: 1px solid var(--line); padding: 0 max(1rem, calc((100vw - 82rem) / 2)); }
.tabs ul { display: flex; flex-wrap: wrap; gap: 0 1.5rem; list-style: none; margin: 0; padding: 0; }
.tabs a { display: block; padding: .55rem 0 .45rem; border-bottom: 2px solid transparent; color: var(--ink); text-decoration: none; font-size: .925rem; }
.tabs a:hover { border-color: var(--line); }
.tabs a[aria-current] { border-color: var(--sea); font-weight: 600; }
main { flex: 1; width: 100%; max-width: 84rem; margin: 0 auto; padding: 1.75rem 1rem 3rem; }
footer { color: var(--quiet); font-size: .85rem; padding: 1rem max(1rem, calc((100vw - 82rem) / 2)) 1.5rem; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1rem 1.15rem; box-shadow: 0 1px 2px rgb(10 40 55 / .05); }
.card:has(> table) { padding: .25rem 0; }
.quiet { color: var(--quiet); }
p.quiet { font-size: .9rem; }
.why { color: var(--quiet); font-size: .85rem; line-height: 1.4; margin-top: .3rem; overflow-wrap: anywhere; max-width: 46ch; }
.wrap, .message { overflow-wrap: anywhere; }
.message { white-space: pre-line; }
.empty { color: var(--quiet); }
.count { font-weight: 400; color: var(--quiet); margin-left: .25rem; }
.head { display: flex; justify-content: space-between; gap: 1rem 2rem; flex-wrap: wrap; margin-bottom: 1rem; }
.head .side { text-align: right; }
.notice { background: var(--busy-bg); border-radius: 10px; padding: .65rem 1rem; margin: 1rem 0; overflow-wrap: anywhere; }
.pill { display: inline-flex; align-items: center; gap: .35rem; white-space: nowrap; font-size: .8rem; font-weight: 600; line-height: 1.3; padding: .15rem .6rem; border-radius: 99px; vertical-align: .08em; }
.good { --tone: var(--good); --tone-bg: var(--good-bg); }
.bad { --tone: var(--bad); --tone-bg: var(--bad-bg); }
.busy { --tone: var(--busy); --tone-bg: var(--busy-bg); }
.dull { --tone: var(--dull); --tone-bg: var(--dull-bg); }
.pill { color: var(--tone); background: var(--tone-bg); }
.badge { display: inline-block; font-size: .75rem; font-weight: 500; color: var(--quiet); border: 1px solid var(--line); border-radius: 5px; padding: 0 .4rem; vertical-align: .1em; white-space: nowrap; letter-spacing: 0; }
.label { background: var(--dull-bg); border-radius: 5px; padding: .05rem .4rem; }
.image { overflow-wrap: anywhere; }
.digest { color: var(--quiet); white-space: nowrap; }
h1 + p + .card { margin-top: 1rem; }
.big { font-size: 1.2rem; }
.plain { list-style: none; margin: 0; padding: 0; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; }
th, td { text-align: left; vertical-align: top; padding: .7rem .6rem; font-weight: 400; }
th:first-child, td:first-child { padding-left: 1.15rem; }
th:last-child, td:last-child { padding-right: 1.15rem; }
thead th { font-size: .8rem; font-weight: 600; color: var(--quiet); padding-bottom: .4rem; }
tbody tr { border-top: 1px solid var(--line); }
tbody tr:target { background: var(--busy-bg); }
tbody th { font-weight: 600; overflow-wrap: anywhere; }
tbody th .quiet { font-weight: 400; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 0 1.5rem; }
.tiles { list-style: none; padding: 0; margin: 1rem 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); gap: 1rem; }
.tile h2 { margin: 0; font-size: 1.25rem; overflow-wrap: anywhere; }
.figures { display: flex; gap: 2rem; margin: 1rem 0; }
.figures div { display: flex; flex-direction: column-reverse; }
.figures dd { margin: 0; font-size: 1.6rem; font-weight: 650; line-height: 1.15; letter-spacing: -.02em; }
.figures .of { color: var(--quiet); font-weight: 400; font-size: 1.05rem; }
.figures dt { color: var(--quiet); font-size: .85rem; }
.states { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(13rem, 100%), 1fr)); gap: 1rem 2rem; margin: 1rem 0; }
.states dt { color: var(--quiet); font-size: .8rem; font-weight: 600; margin-bottom: .25rem; }
.states dd { margin: 0; overflow-wrap: anywhere; }
.problems { list-style: none; padding: 0; margin: 0; display: grid; grid-template-columns: minmax(0, 1fr); gap: .6rem; }
.problems li { border-color: var(--tone); padding: .7rem 1.15rem; }
.timeline { list-style: none; margin: 0; padding: 0 0 0 1.4rem; border-left: 2px solid var(--line); display: grid; grid-template-columns: minmax(0, 1fr); gap: .9rem; }
.timeline > li { position: relative; }
.timeline > li::before { content: ""; position: absolute; left: calc(-1.4rem - 8px); top: 1.25rem; width: 12px; height: 12px; border-radius: 50%; background: var(--sea); border: 2px solid var(--foam); }
.attempts { list-style: none; margin: .6rem 0 0; padding: 0; }
.attempts.card { padding: .25rem 1.15rem; margin: 0; }
.attempts > li { border-top: 1px solid var(--line); padding: .5rem 0; }
.attempts.card > li:first-child { border-top: 0; }
.attempts > li:last-child { padding-bottom: 0; }
summary { cursor: pointer; }
details[open] summary { margin-bottom: .4rem; }
.fault { border-left: 3px solid var(--bad); padding: .1rem 0 .1rem .8rem; overflow-wrap: anywhere; }
.steps { list-style: none; margin: 0; padding: 0; font-size: .875rem; }
.steps time { color: var(--quiet); font-family: var(--mono); font-size: .8rem; margin-right: .5rem; }
.diff ins { color: var(--good); text-decoration: none; } .diff del { color: var(--bad); }
pre { background: #0c1a21; color: #dbe7ec; border-radius: 8px; padding: .75rem 1rem; margin: .25rem 0; overflow: auto; max-height: 22rem; line-height: 1.5; }
.pager { display: flex; gap: 1.5rem; margin: 1rem 0; }
@media (min-width: 52.01rem) { tbody th { min-width: 8.5rem; } }
@media (max-width: 52rem) {
  .head .side { text-align: left; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, th, td { display: block; }
  tbody tr { padding: .7rem 1.15rem; }
  tbody tr:first-child { border-top: 0; }
  tbody th, tbody td, tbody th:first-child, tbody td:last-child { padding: .2rem 0; }
  tbody th { font-size: 1.05rem; }
  td { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: 0 .5rem; }
  td::before { content: attr(data-label); color: var(--quiet); font-size: .8rem; padding-top: .1rem; }
}
@media (prefers-reduced-motion: no-preference) { .bar button.live::before { animation: breathe 3s ease-in-out infinite; } @keyframes breathe { 50% { opacity: .35; } } }
@media print { .bar, footer { display: none; } body { background: #fff; } }
`;

export const STYLE_URL = `/assets/tagboat.css?v=${createHash('sha256').update(STYLE).digest('hex').slice(0, 12)}`;
