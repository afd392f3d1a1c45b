#!/usr/bin/env node
/** The command line. The only place that may start either side. */
import { launchOther } from './launch.ts';

// Who reads the output may have seen enough (`| head -1`); that is no failure, and there is nobody to tell.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

const code = await launchOther(process.argv.slice(2));
if (code === undefined) {
  const [{ CommanderError }, { createProgram }] = await Promise.all([import('commander'), import('./program.ts')]);
  try {
    await createProgram().parseAsync();
  } catch (error) {
    // Commander has said what is wrong; 0 is help and version.
    process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof CommanderError)) throw error;
  }
} else process.exitCode = code;
