/** The last lines of a container for a page: what comes within a few seconds. */
import { TagboatError } from '../errors.ts';
import type { DeploymentView } from '../store/views/deployment-rows.ts';
import type { LogLine, WebContext } from './context.ts';
import { containerOf, tidy } from './logs.ts';
import type { LogPage } from './pages/log-page.ts';

const PATIENCE_MS = 5_000;
/** What a page holds at most; more is for the API. */
const MAX_CHARACTERS = 2_000_000;

/** A node that cannot be asked is said on the page; a container that is not there is an error. */
export async function readLog(context: WebContext, team: string, deployment: DeploymentView, asked: string | undefined, tail: number): Promise<LogPage> {
  const container = containerOf(deployment, asked);
  const { node, prefix } = deployment;
  const page = { container, tail, lines: [] as LogLine[] };
  if (node === null || prefix === null || deployment.nodeStatus !== 'connected') return { ...page, trouble: `Node ${node ?? ''} is not connected, so its logs cannot be read.` };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  let characters = 0;
  try {
    for await (const line of context.logs.read({ team, node, prefix, container, tail, follow: false }, signal)) {
      const tidied = tidy(line);
      characters += tidied.text.length;
      if (characters > MAX_CHARACTERS || page.lines.length >= tail) break;
      page.lines.push(tidied);
    }
  } catch (error) {
    if (error instanceof TagboatError) return { ...page, trouble: `${error.message}.` };
    throw error;
  }
  return { ...page, trouble: signal.aborted ? 'The node did not answer in time.' : page.lines.length === 0 ? 'The log is empty.' : '' };
}
