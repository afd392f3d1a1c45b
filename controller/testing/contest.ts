/** Processes that want one thing at the same time, over and over: none of them may have it while another one has it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CONTESTANTS = 3;
const LASTS_MS = 1_500;

export interface Contest {
  /** How often one of them had it. */
  readonly had: number;
  /** How often one got it while another one had it. */
  readonly shared: number;
  /** What else went wrong. */
  readonly troubles: readonly string[];
}

/**
 * @param module URL of a module.
 * @param take an expression with `module` and `directory`: a promise of how to give the thing back, which rejects with a TagboatError or an AgentError of `code`.
 */
export async function contest(module: string, take: string, code: string): Promise<Contest> {
  const home = mkdtempSync(join(tmpdir(), 'tagboat-contest-'));
  const script = `
    import { unlinkSync, writeFileSync } from 'node:fs';
    import { mkdir } from 'node:fs/promises';
    const module = await import(${JSON.stringify(module)});
    const [directory, mark] = [${JSON.stringify(join(home, 'thing'))}, ${JSON.stringify(join(home, 'had'))}];
    const told = { had: 0, shared: 0, troubles: [] };
    for (const end = Date.now() + ${String(LASTS_MS)}; Date.now() < end && told.troubles.length === 0; await new Promise(setImmediate)) {
      const giveBack = await (${take}).catch((error) => void (error.code === ${JSON.stringify(code)} || told.troubles.push(String(error))));
      if (giveBack === undefined) continue;
      told.had++;
      let alone = true;
      try { writeFileSync(mark, '', { flag: 'wx' }); } catch { alone = false; told.shared++; }
      for (const since = performance.now(); performance.now() - since < 0.3; );
      if (alone) unlinkSync(mark);
      await giveBack();
    }
    console.log(JSON.stringify(told));`;
  try {
    const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script];
    const ends = await Promise.all(Array.from({ length: CONTESTANTS }, () => promisify(execFile)(process.execPath, args, { timeout: 120_000 })));
    const all = ends.map(({ stdout }) => JSON.parse(stdout) as Contest);
    return { had: all.reduce((sum, one) => sum + one.had, 0), shared: all.reduce((sum, one) => sum + one.shared, 0), troubles: all.flatMap(({ troubles }) => troubles) };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
