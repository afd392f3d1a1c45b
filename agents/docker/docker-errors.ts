/** From what the engine says to a code that tells people what to do. The engine has status codes and prose; the prose decides. */
import { RuntimeError } from '../containers/runtime.ts';
import type { FailureCode } from '../core/engine.ts';

interface EngineAnswer {
  readonly statusCode: number | undefined;
  readonly code: string | undefined;
  readonly text: string;
}

function answerOf(error: unknown): EngineAnswer {
  const shape = (typeof error === 'object' && error !== null ? error : {}) as { statusCode?: unknown; code?: unknown; json?: { message?: unknown }; message?: unknown; name?: unknown };
  const text = typeof shape.json?.message === 'string' ? shape.json.message : typeof shape.message === 'string' ? shape.message : String(error);
  return {
    statusCode: typeof shape.statusCode === 'number' ? shape.statusCode : undefined,
    code: typeof shape.code === 'string' ? shape.code : shape.name === 'TimeoutError' || shape.name === 'AbortError' ? 'ABORT_ERR' : undefined,
    text: text.trim(),
  };
}

const UNREACHABLE = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'EHOSTUNREACH', 'ETIMEDOUT', 'EACCES']);

/** What a registry call of the engine failed of. */
export function registryError(error: unknown, reference: string): RuntimeError {
  const { text, code, statusCode } = answerOf(error);
  if (statusCode === undefined && code !== undefined) return engineError(error, `asking for ${reference}`);
  return new RuntimeError(registryCode(text), `${reference}: ${text}. ${registryAdvice(registryCode(text))}`, { cause: error });
}

export function registryCode(text: string): FailureCode {
  if (/manifest unknown|not found|name unknown|repository does not exist|no such image|no match for platform|invalid reference/i.test(text)) {
    return /no such host/i.test(text) ? 'RegistryUnreachable' : 'ImageUnknown';
  }
  if (/toomanyrequests|too many requests|rate limit/i.test(text)) return 'RegistryRateLimited';
  if (/unauthorized|authentication required|denied|no basic auth|forbidden/i.test(text)) return 'RegistryUnauthorized';
  if (/no such host|connection refused|i\/o timeout|timeout|TLS handshake|x509|EOF|network is unreachable|no route to host|connection reset|Service Unavailable|Bad Gateway|Internal Server Error|server gave HTTP response/i.test(text)) {
    return 'RegistryUnreachable';
  }
  return 'ImagePullFailed';
}

function registryAdvice(code: FailureCode): string {
  switch (code) {
    case 'ImageUnknown':
      return 'The registry does not have it: look at the name and the tag; nothing was touched';
    case 'RegistryUnauthorized':
      return 'The registry refuses this node (or does not have the image): give the Registry credentials; nothing was touched';
    case 'RegistryRateLimited':
      return 'The registry takes no more requests from this node for now: it is asked again, or give the Registry credentials; nothing was touched';
    case 'RegistryUnreachable':
      return 'The registry does not answer this node: look at its address, network and certificate; nothing was touched';
    default:
      return 'Nothing was touched';
  }
}

const PORT = /port is already allocated|address already in use|ports are not available/i;

/** @param doing for people, for example `starting shop-web`. */
export function engineError(error: unknown, doing: string, otherwise: FailureCode = 'EngineError'): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const { text, code, statusCode } = answerOf(error);
  if (statusCode === undefined && code !== undefined && UNREACHABLE.has(code)) {
    return new RuntimeError('EngineUnreachable', `the Docker engine does not answer (${code}) when ${doing}; start it or look at its socket`, { cause: error });
  }
  if (code === 'ABORT_ERR') return new RuntimeError('EngineError', `the Docker engine took too long when ${doing}`, { cause: error });
  if (PORT.test(text)) return new RuntimeError('PortInUse', `${doing}: ${text}. Another process or container of the node holds the port: free it or choose another`, { cause: error });
  if (statusCode === 409 && /already in use by container/i.test(text)) return new RuntimeError('NameTaken', `${doing}: ${text}`, { cause: error });
  return new RuntimeError(otherwise, `${doing}: ${adviceTo(text.replace(RUNC, ''))}`, { cause: error });
}

/** How the engine's own helpers call each other, which helps nobody. */
const RUNC = /^(failed to create (shim )?task( for container)?: )?(OCI runtime create failed: )?(runc create failed: )?(unable to start container process: )?(error during container init: )?/;

/** What to do where the engine's words do not say it. */
function adviceTo(text: string): string {
  if (/bind source path does not exist/i.test(text)) return `${text}. Make it on the node, or use a named volume`;
  if (/^exec: |executable file not found/i.test(text)) return `${text}. The image has no such command: look at command and args`;
  if (/unable to find (user|group)|no matching entries in (passwd|group) file/i.test(text)) return `${text}. The image does not know it: use a number, or a name of the image`;
  if (/could not select device driver/i.test(text)) return `${text}. No driver of the node has such devices: install its container toolkit, or take docker.gpus out`;
  if (/cannot assign requested address/i.test(text)) return `${text}. The node has no such address: look at ports.address`;
  if (/matches found based on name/i.test(text)) return `${text}. Two networks of the node have this name: remove one of them`;
  if (/non-overlapping IPv4 address pool/i.test(text)) return `${text}. The node has as many networks as its engine has ranges for: remove unused ones (docker network prune), or give the engine more (default-address-pools)`;
  if (/no space left on device/i.test(text)) return `${text}. The disk of the node is full: make room, for example by removing images that nobody uses`;
  return text;
}

export function isStatus(error: unknown, ...codes: number[]): boolean {
  const { statusCode } = answerOf(error);
  return statusCode !== undefined && codes.includes(statusCode);
}
