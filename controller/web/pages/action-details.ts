/** What a plan does to one deployment: fields that change, how images are replaced and what happens to other records. Values of secrets never get here (R27). */
import { replaces } from '../../plan/explain.ts';
import type { ActionView } from '../../store/views/history.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { cell, pill, table } from '../parts.ts';

function changeTable(changes: ActionView['changes']): Html | false {
  return changes.length > 0 && html`<h3 class="minor">Changes</h3>${table('Fields that change', ['Image', 'Field', 'Before', 'After'], changes.map((change) => html`<tr role="row"><th role="rowheader" scope="row">${change.image}</th>
${cell('Field', html`<code class="wrap">${change.path}</code>`)}${cell('Before', value(change.from, 'del'))}${cell('After', value(change.to, 'ins'))}</tr>`))}`;
}

function value(text: string | null, as: 'ins' | 'del'): Html {
  if (text === null) return html`<span class="quiet">not set</span>`;
  return as === 'ins' ? html`<code class="wrap"><ins class="to">${text}</ins></code>` : html`<code class="wrap"><del class="from">${text}</del></code>`;
}

function strategyList(action: ActionView): Html | false {
  const { strategies } = action;
  if (strategies.length === 0) return false;
  const gaps = strategies.filter(({ strategy, image }) => strategy === 'recreate' && replaces(action, image));
  return html`<h3 class="minor">How images are replaced</h3><p>${gaps.length === 0 ? 'No gap is expected.' : html`A gap is expected for ${gaps.map(({ image }) => image).join(', ')}.`}</p>
<ul class="plain">${strategies.map((choice) => html`<li class="wrap">${choice.image}: <b>${choice.strategy}</b>, <span class="quiet">${choice.reason}</span></li>`)}</ul>`;
}

function statusList(changes: ActionView['statusChanges']): Html | false {
  return changes.length > 0 && html`<h3 class="minor">Other records</h3><ul class="plain">${changes.map((change) => html`<li>${change.version}: ${change.from ?? 'new'} → ${pill(change.to)} <span class="quiet">${change.reason}</span></li>`)}</ul>`;
}

/** The whole of it. */
export function actionDetails(action: ActionView): Html {
  return html`<p><b>${action.kind}</b>${action.from !== action.to && html` <b>${action.from ?? 'nothing'} → ${action.to ?? 'nothing'}</b>`}: <span class="wrap">${action.reason}</span></p>
${action.waitsFor.length > 0 && html`<p>Waits for ${action.waitsFor.join(', ')}${action.waitsBecause !== '' && html`: <span class="wrap">${action.waitsBecause}</span>`}.</p>`}${action.adoptsFrom !== null && html`<p>Adopts the target of ${action.adoptsFrom}.</p>`}
${action.kind === 'remove' && html`<p>${action.removesVolumes ? 'Its volumes are removed too.' : 'Its volumes stay.'}</p>`}
${changeTable(action.changes)}${strategyList(action)}${statusList(action.statusChanges)}`;
}
