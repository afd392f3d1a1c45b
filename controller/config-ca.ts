/** Reads a file of certificate authorities, so that a wrong one is found at start. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConfigPath, ConfigSource } from './config-source.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates of `file` as PEM; '' after a fault. */
export function readCaFile(file: string, path: ConfigPath, source: ConfigSource): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    source.fault(path, `the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    return '';
  }
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) source.fault(path, `the file ${file} holds no PEM certificate`);
  for (const [index, pem] of certificates.entries()) {
    try {
      new X509Certificate(pem);
    } catch {
      source.fault(path, `certificate ${String(index + 1)} in the file ${file} cannot be read`);
    }
  }
  return certificates.join('\n');
}
