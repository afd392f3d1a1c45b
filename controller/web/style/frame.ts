/** Colours, type and the frame of pages. Every pair of text and ground has a contrast of 4.5 or more, in light and in dark. */
export const FRAME_STYLE = `
:root {
  color-scheme: light dark;
  --sea: #0b5876; --sea-deep: #0a3d52; --ground: #f3f6f7; --paper: #fff; --ink: #14242c; --quiet: #50626c; --line: #dbe3e7; --hover: #f5f8f9;
  --good: #14683c; --bad: #a3271a; --bad-bg: #fdeae6; --busy: #7a4f00; --busy-bg: #fcf1d6; --dull: #4b5b64; --dull-bg: #e9eef0; --good-bg: #e0f3e7; --focus: #d9480f;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
  --edge: max(1rem, calc((100vw - 84rem) / 2));
}
@media (prefers-color-scheme: dark) {
  :root {
    --sea: #7cc9e6; --sea-deep: #07202c; --ground: #0c161b; --paper: #122028; --ink: #e2ebef; --quiet: #9db0ba; --line: #263740; --hover: #172831;
    --good: #7fdca6; --bad: #ffa193; --bad-bg: #43211c; --busy: #f0c766; --busy-bg: #392e15; --dull: #abbbc4; --dull-bg: #22333c; --good-bg: #14362a; --focus: #ff8f5e;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column; background: var(--ground); color: var(--ink); font-variant-numeric: tabular-nums;
  font: 400 .9375rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", "DejaVu Sans", sans-serif;
}
a { color: var(--sea); text-decoration-thickness: 1px; text-underline-offset: 2px; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
h1 { font-size: 1.6rem; font-weight: 650; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; font-weight: 650; margin: 1.75rem 0 .5rem; overflow-wrap: anywhere; }
h3 { font-size: .9375rem; font-weight: 650; margin: 1.25rem 0 .4rem; overflow-wrap: anywhere; }
h4, h3.minor { font-size: .8125rem; font-weight: 650; margin: .9rem 0 .25rem; color: var(--quiet); }
p { margin: .2rem 0; }
code, pre { font-family: var(--mono); font-size: .8125rem; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem 1rem; z-index: 2; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.bar { display: flex; align-items: center; gap: .4rem 1.25rem; flex-wrap: wrap; padding: .55rem var(--edge); background: var(--sea-deep); color: #fff; }
.bar a { color: #fff; text-decoration: none; }
.bar a:hover { text-decoration: underline; }
.bar :focus-visible { outline-color: #ffd166; }
.brand { display: flex; align-items: center; gap: .5rem; font-weight: 700; font-size: 1.05rem; }
.bar ol { display: flex; flex-wrap: wrap; list-style: none; margin: 0; padding: 0; }
.bar li { overflow-wrap: anywhere; }
.bar li + li::before { content: "/"; margin: 0 .5rem; opacity: .6; }
.bar [aria-current] { font-weight: 600; }
.bar nav { flex: 1; }
.bar button { font: inherit; font-size: .8125rem; color: #fff; background: transparent; border: 1px solid rgb(255 255 255 / .4); border-radius: 99px; padding: .15rem .75rem; cursor: pointer; }
.bar button:hover { background: rgb(255 255 255 / .14); }
.bar button::before { content: "❚❚"; font-size: .7em; margin-right: .45rem; opacity: .8; }
.bar button.paused::before { content: "▶"; }
.bar button.live::before { content: "●"; color: #7fdca6; font-size: 1em; opacity: 1; }
#live { font-size: .8125rem; color: #ffd166; }
#live:empty { display: none; }
.tabs { background: var(--paper); border-bottom: 1px solid var(--line); padding: 0 var(--edge); }
.tabs ul { display: flex; flex-wrap: wrap; gap: 0 1.4rem; list-style: none; margin: 0; padding: 0; }
.tabs a { display: block; padding: .5rem 0 .4rem; border-bottom: 3px solid transparent; color: var(--ink); text-decoration: none; }
.tabs a:hover { border-color: var(--line); }
.tabs a[aria-current] { border-color: var(--sea); font-weight: 600; }
main { flex: 1; width: 100%; padding: 1.4rem var(--edge) 3rem; }
footer { color: var(--quiet); font-size: .8125rem; padding: 1rem var(--edge) 1.5rem; }
@media (prefers-reduced-motion: no-preference) { .bar button.live::before { animation: breathe 3s ease-in-out infinite; } @keyframes breathe { 50% { opacity: .4; } } }
@media print { .bar, .tabs, .filters, footer { display: none; } body { background: #fff; } }
`;
