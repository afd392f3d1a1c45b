/** What pages are made of: cards, pills, tables that turn into cards, lists. */
export const PARTS_STYLE = `
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem; }
.card:has(> table) { padding: 0; }
.card:has(> .scroll) { padding: 0; }
.quiet { color: var(--quiet); }
p.quiet, .below { font-size: .8125rem; }
.below { display: block; font-weight: 400; }
.below a { color: var(--quiet); }
.why { font-size: .8125rem; line-height: 1.4; color: var(--ink); overflow-wrap: anywhere; margin: 0; }
.why + .why { margin-top: .25rem; }
.wrap, .message { overflow-wrap: anywhere; }
.message { white-space: pre-line; }
.empty { color: var(--quiet); margin: 0; }
.count { font-weight: 400; color: var(--quiet); margin-left: .2rem; }
.head { display: flex; justify-content: space-between; align-items: baseline; gap: .25rem 2rem; flex-wrap: wrap; }
.head > div { min-width: 0; }
.side { text-align: right; }
.notice { border: 1px solid var(--line); border-left: 4px solid var(--tone, var(--busy)); background: var(--paper); border-radius: 6px; padding: .6rem 1rem; margin: 1rem 0; overflow-wrap: anywhere; }
.good { --tone: var(--good); --tone-bg: transparent; }
.bad { --tone: var(--bad); --tone-bg: var(--bad-bg); }
.busy { --tone: var(--busy); --tone-bg: var(--busy-bg); }
.dull { --tone: var(--dull); --tone-bg: var(--dull-bg); }
.pill { display: inline-flex; align-items: baseline; gap: .3rem; white-space: nowrap; font-size: .8125rem; line-height: 1.35; padding: .05rem .5rem; border-radius: 99px; color: var(--tone); background: var(--tone-bg); font-weight: 600; }
.pill.good { padding: .05rem 0; font-weight: 400; }
.pill.good.serves { font-weight: 600; }
.mark { color: var(--tone); font-weight: 700; }
.badge { display: inline-block; font-size: .75rem; font-weight: 500; color: var(--quiet); border: 1px solid var(--line); border-radius: 5px; padding: 0 .35rem; white-space: nowrap; letter-spacing: 0; line-height: 1.4; }
.label { background: var(--dull-bg); border-radius: 5px; padding: .05rem .4rem; overflow-wrap: anywhere; }
.image { overflow-wrap: anywhere; }
.digest { color: var(--quiet); }
.plain { list-style: none; margin: 0; padding: 0; }
.summary { margin-top: .9rem; }
.verdict { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
.chips { list-style: none; display: flex; flex-wrap: wrap; gap: .4rem; margin: .6rem 0 0; padding: 0; }
.chip { display: inline-flex; gap: .35rem; align-items: baseline; border: 1px solid var(--line); border-radius: 99px; padding: .15rem .7rem; font-size: .8125rem; color: var(--ink); text-decoration: none; }
.chip:hover { background: var(--hover); text-decoration: underline; }
.chip[aria-current] { border-color: var(--sea); box-shadow: inset 0 0 0 1px var(--sea); }
.filters { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: end; margin: .25rem 0 .9rem; font-size: .8125rem; }
.filters label { color: var(--quiet); display: grid; gap: .1rem; min-width: 0; }
.filters input, .filters select, .filters button { font: inherit; font-size: .875rem; color: var(--ink); background: var(--paper); border: 1px solid var(--quiet); border-radius: 6px; padding: 0 .5rem; height: 1.9rem; max-width: 16rem; min-width: 0; width: 100%; }
.filters button { width: auto; padding: 0 .9rem; cursor: pointer; background: var(--sea); border-color: var(--sea); color: var(--paper); font-weight: 600; }
.filters > a { padding: .3rem 0; }
.switch { display: flex; list-style: none; margin: 0; padding: 0; font-size: .8125rem; border: 1px solid var(--line); border-radius: 7px; background: var(--paper); overflow: hidden; }
.switch a { display: block; padding: .2rem .75rem; text-decoration: none; color: var(--ink); }
.switch a:hover { text-decoration: underline; }
.switch a:focus-visible { outline-offset: -3px; }
.switch a[aria-current] { background: var(--dull-bg); font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .5rem; font-weight: 400; }
th:first-child, td:first-child { padding-left: 1rem; }
th:last-child, td:last-child { padding-right: 1rem; }
thead th { font-size: .75rem; font-weight: 600; color: var(--quiet); padding-top: .5rem; }
tbody tr { border-top: 1px solid var(--line); }
tbody tr:hover { background: var(--hover); }
tbody tr:target { background: var(--busy-bg); }
tbody th { font-weight: 600; overflow-wrap: anywhere; }
tbody th .quiet { font-weight: 400; }
td time { white-space: nowrap; color: var(--quiet); }
.scroll { overflow: auto; max-height: 75vh; border-radius: 9px; }
.matrix th, .matrix td { border-left: 1px solid var(--line); min-width: 10rem; }
.matrix tbody th, .matrix thead th:first-child { border-left: 0; min-width: 8rem; max-width: 14rem; position: sticky; left: 0; background: var(--paper); z-index: 1; }
.matrix thead th { position: sticky; top: 0; background: var(--paper); vertical-align: bottom; z-index: 1; box-shadow: inset 0 -1px var(--line); }
.matrix thead th:first-child { z-index: 2; }
.matrix li { overflow-wrap: anywhere; }
.tiles { list-style: none; padding: 0; margin: 1rem 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); gap: 1rem; }
.tile h2 { margin: 0; font-size: 1.2rem; }
.figures { display: flex; gap: 2rem; margin: .8rem 0; }
.figures div { display: flex; flex-direction: column-reverse; }
.figures dd { margin: 0; font-size: 1.5rem; font-weight: 650; line-height: 1.15; }
.figures .of { color: var(--quiet); font-weight: 400; font-size: 1rem; }
.figures dt { color: var(--quiet); font-size: .8125rem; }
.states { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(12rem, 100%), 1fr)); gap: .8rem 2rem; margin: .9rem 0; }
.states dt { color: var(--quiet); font-size: .75rem; font-weight: 600; margin-bottom: .1rem; }
.states dd { margin: 0; overflow-wrap: anywhere; }
.states .why { margin-top: .2rem; }
.big { font-size: 1.15rem; }
.problems { list-style: none; padding: 0 1rem; margin: 0; }
.problems li { padding: .5rem 0; }
.problems li + li { border-top: 1px solid var(--line); }
.problems + details { margin-top: .5rem; }
details > .problems { padding: 0; }
summary { cursor: pointer; }
details[open] > summary { margin-bottom: .4rem; }
.fault { border-left: 3px solid var(--bad); padding: .1rem 0 .1rem .8rem; margin: .4rem 0; overflow-wrap: anywhere; }
.diff { font-family: var(--mono); font-size: .8125rem; }
.diff ins, ins.to { color: var(--good); text-decoration: none; } .diff del, del.from { color: var(--bad); text-decoration: none; }
ins.to { background: var(--good-bg); } del.from { background: var(--bad-bg); }
.details > details { border-top: 1px solid var(--line); padding: .5rem 0; margin-top: .5rem; }
.details > details > summary { font-weight: 600; }
.details table { margin: .25rem 0; } .details :is(th, td):first-child { padding-left: 0; }
.attempts { list-style: none; margin: 0; padding-block: .25rem; }
.attempts > li { padding: .35rem 0; }
.attempts > li + li { border-top: 1px solid var(--line); }
.attempts > li:target { background: var(--busy-bg); }
.attempt { display: grid; grid-template-columns: 12.5rem 15rem minmax(0, 1fr) 5.5rem; gap: .1rem 1rem; align-items: center; }
.attempt-took { text-align: right; color: var(--quiet); font-size: .8125rem; }
.attempt-what { font-size: .875rem; overflow-wrap: anywhere; }
.bar-of-steps { display: block; border-radius: 4px; background: var(--dull-bg); }
.bar-of-steps rect { fill: #5b7480; stroke: var(--paper); stroke-width: 1; }
.bar-of-steps text { font-size: 11px; fill: #fff; }
.step-pull rect { fill: #2f6b9a; } .step-start rect { fill: #1f7a4d; } .step-health rect { fill: #1f7a4d; } .step-switch rect { fill: #8a5a00; } .step-clean rect { fill: #5b6b74; }
.step-restore rect { fill: #a3371f; } .step-remove rect { fill: #a3371f; } .step-begin rect { fill: #7b8a92; } .step-begin text { fill: #000; }
.tree svg { display: block; }
.tree text { font-size: 13px; fill: var(--ink); } .tree .flag, .tree .use { fill: var(--quiet); font-size: 12px; } .tree .name.live { font-weight: 700; }
.edge { fill: none; stroke: var(--quiet); stroke-width: 1.5; opacity: .7; }
.dot { fill: var(--paper); stroke: var(--quiet); stroke-width: 2; }
.dot.serves { fill: var(--good); stroke: var(--good); } .dot.downgraded { stroke: var(--busy); } .dot.failed { stroke: var(--bad); } .dot.busy { fill: var(--busy); stroke: var(--busy); } .dot.none { fill: var(--quiet); } .dot.rolling { stroke: var(--sea); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: .4rem 1rem .6rem; border-top: 1px solid var(--line); margin: 0; }
.legend span { display: inline-flex; align-items: center; gap: .35rem; }
.steps { list-style: none; margin: 0; padding: 0; font-size: .875rem; }
.steps li { padding: .1rem 0; }
.steps time { color: var(--quiet); font-family: var(--mono); font-size: .8125rem; margin-right: .5rem; }
.timeline { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: minmax(0, 1fr); gap: .7rem; }
.problems > li.card { padding: .5rem 1rem; } .problems:has(> li.card) { padding: 0; } .problems > li.card + li.card { margin-top: .5rem; }
pre { background: #0c1a21; color: #dbe7ec; border-radius: 8px; padding: .7rem .9rem; margin: .25rem 0; overflow: auto; max-height: 26rem; line-height: 1.5; }
.log { max-height: 70vh; min-height: 12rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.pager { display: flex; gap: 1.5rem; margin: 1rem 0; }
@media (min-width: 56.01rem) {
  tbody th { min-width: 4.5rem; }
  table[data-columns] { table-layout: fixed; }
  table[data-columns="deployments"] :is(th:nth-child(1), th:nth-child(2)) { width: 19%; }
  table[data-columns="deployments"] th:nth-child(3) { width: 14%; }
  table[data-columns="deployments"] th:nth-child(4) { width: 9%; }
  table[data-columns="deployments"] th:nth-child(5) { width: 10%; }
  table[data-columns="deployments"] th:nth-child(7) { width: 10%; }
}
@media (max-width: 56rem) {
  .side { text-align: left; }
  table:not(.matrix) thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table:not(.matrix), :not(.matrix) > tbody, :not(.matrix) > tbody > tr, :not(.matrix) > tbody > tr > * { display: block; }
  :not(.matrix) > tbody > tr { padding: .6rem 1rem; }
  :not(.matrix) > tbody > tr:first-child { border-top: 0; }
  :not(.matrix) > tbody > tr > :is(th, td) { padding: .1rem 0; }
  :not(.matrix) > tbody > tr > td { display: grid; grid-template-columns: 5.5rem minmax(0, 1fr); gap: 0 .5rem; }
  td[data-label]::before { content: attr(data-label); color: var(--quiet); font-size: .75rem; padding-top: .1rem; }
  .filters label { flex: 1 1 8rem; }
  .brand { font-size: 0; gap: 0; }
  .bar nav[aria-label="Breadcrumb"] { order: 5; flex: 1 0 100%; }
  .bar nav ol, .bar nav li { display: inline; }
  .attempt { grid-template-columns: minmax(0, 1fr) auto; }
  .attempt-bar { grid-column: 1 / -1; order: 1; } .attempt-what { order: 2; } .attempt-took { order: 3; } .attempt-name { grid-column: 1 / -1; }
  .filters input, .filters select { max-width: none; }
}
`;
