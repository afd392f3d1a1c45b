/** What a person needs to understand a failure (R19), taken before the container is removed. */
import type { FailureEvidence } from '../core/engine.ts';
import { look } from './calls.ts';
import type { ContainerRuntime } from './runtime.ts';

const LINES = 50;
const LINE_LENGTH = 2000;

/** Never throws: a log that cannot be read is no reason to lose the failure itself. */
export async function evidenceOf(runtime: ContainerRuntime, id: string, name: string, healthOutput: readonly string[]): Promise<FailureEvidence> {
  const logLines: string[] = [];
  try {
    for await (const line of runtime.logs(id, { tail: LINES, follow: false }, look())) {
      logLines.push(clip(line.text));
      if (logLines.length > LINES) logLines.shift();
    }
  } catch (error) {
    logLines.push(clip(`(the log could not be read: ${error instanceof Error ? error.message : String(error)})`));
  }
  return { container: name, logLines: logLines.slice(-LINES), healthOutput: healthOutput.slice(-LINES).map(clip) };
}

function clip(text: string): string {
  return text.length <= LINE_LENGTH ? text : `${text.slice(0, LINE_LENGTH - 1)}…`;
}
