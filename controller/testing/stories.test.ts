// @timeout 900
// @serial
/** The stories on a Docker host. */
import type Dockerode from 'dockerode';
import { createDockerEngine } from '../../agents/docker/engine.ts';
import { containersOf } from '../../agents/testing/engine.ts';
import { NODE, dockerOrSkip, sweepPrefixes, versionManifest } from './story.ts';
import { tellStories } from './stories.ts';
import type { StoryWorld } from './stories.ts';

function dockerWorld(docker: Dockerode): StoryWorld {
  const named = (prefix: string, image: string): Dockerode.Container => docker.getContainer(`${prefix}-${image}`);
  return {
    title: 'a Docker node',
    nodeManifest: NODE,
    engine: () => Promise.resolve(createDockerEngine()),
    version: versionManifest,
    page: async (prefix) => {
      const details = await named(prefix, 'web').inspect();
      const address = Object.values(details.NetworkSettings.Networks)[0]!.IPAddress;
      return (await (await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(60_000) })).text()).trim();
    },
    identity: async (prefix, image) => {
      const details = await named(prefix, image).inspect();
      if (!details.State.Running) throw new Error(`${prefix}-${image} does not run`);
      return details.Id;
    },
    born: async (prefix) => {
      const exec = await named(prefix, 'db').exec({ Cmd: ['cat', '/data/born'], AttachStdout: true });
      const chunks: Buffer[] = [];
      for await (const chunk of await exec.start({})) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).subarray(8).toString('utf8');
    },
    harm: (prefix) => named(prefix, 'web').remove({ force: true }),
    running: async (prefix) => {
      const names = (await containersOf(docker)).map((item) => item.Names[0]!.slice(1));
      return names.flatMap((name) => (name.startsWith(`${prefix}-`) ? [name.slice(prefix.length + 1)] : [])).sort();
    },
    hasVolume: async (prefix) => (await docker.listVolumes()).Volumes.some((volume) => volume.Name.startsWith(prefix)),
    reasons: { image: /^ImageUnknown/, crash: /^ContainerExited/, health: /^HealthCheckFailed/ },
    sweep: (prefix) => sweepPrefixes(docker, [prefix]),
  };
}

const docker = await dockerOrSkip('the stories on a Docker node');
if (docker !== null) tellStories(dockerWorld(docker));
