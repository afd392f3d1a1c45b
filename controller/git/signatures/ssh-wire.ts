/** The data types of the SSH protocol (RFC 4251 §5), read from bytes that anybody may have made: whatever does not fit throws RangeError. */
export class SshWire {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new RangeError('cut off');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  uint32(): number {
    return this.take(4).readUInt32BE(0);
  }

  string(): Buffer {
    return this.take(this.uint32());
  }

  text(): string {
    return this.string().toString('latin1');
  }

  /** A positive integer without leading zeros, or with as many as make it `width` bytes. */
  integer(width?: number): Buffer {
    const bytes = this.string();
    let zeros = 0;
    while (bytes[zeros] === 0) zeros += 1;
    const digits = bytes.subarray(zeros);
    if (bytes.length === 0 || (bytes[0]! & 0x80) !== 0) throw new RangeError('not a positive integer');
    if (width === undefined) return digits;
    if (digits.length > width) throw new RangeError('too large');
    return Buffer.concat([Buffer.alloc(width - digits.length), digits]);
  }

  /** Nothing may be left. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError('something is left over');
  }
}

export function sshString(bytes: Buffer | string): Buffer {
  const content = Buffer.from(bytes as Buffer);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}
