/** Which tags are versions of which product (R5, R7). Pure: names in, names and problems out. */
import semver from 'semver';
import type { Manifest } from '../model/manifest.ts';
import { objectName } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';

export interface TagVersion {
  readonly product: string;
  /** The semver number, without a leading v. */
  readonly name: string;
  /** The tag's short name. */
  readonly tag: string;
}

/** Which tags name versions of a product: `*` stands for the number. */
export function tagPattern({ name, spec }: Manifest<'Product'>): string {
  return spec.incremental?.tags ?? `${name}/*`;
}

/** Tags of all products, by their `incremental.tags` pattern: `*` stands for the number. Tags of nobody are ignored. */
export function tagVersions(products: Iterable<Manifest<'Product'>>, tags: readonly string[]): { readonly versions: readonly TagVersion[]; readonly problems: readonly Problem[] } {
  const versions: TagVersion[] = [];
  const problems: Problem[] = [];
  for (const product of products) {
    const pattern = tagPattern(product);
    const star = pattern.indexOf('*');
    const [before, after] = star < 0 ? [`${pattern}/`, ''] : [pattern.slice(0, star), pattern.slice(star + 1)];
    const seen = new Map<string, string>();
    for (const tag of tags) {
      if (!tag.startsWith(before) || !tag.endsWith(after) || tag.length <= before.length + after.length) continue;
      const rest = tag.slice(before.length, tag.length - after.length);
      const at = product.position('/metadata/name');
      const object = objectName(product);
      if (product.spec.type === 'simple') {
        // A pattern without a prefix of its own would claim every tag of the repository.
        if (before !== '') problems.push(problem('TagOfSimpleProduct', at, `tag ${tag} names the simple product ${product.name}`, { object, severity: 'warning' }));
        continue;
      }
      const number = semver.valid(rest, { loose: false });
      const name = number === null ? null : rest.replace(/^v/, '');
      if (name === null) problems.push(problem('TagNotSemver', at, `tag ${tag} of product ${product.name} is no semver number`, { object, severity: 'warning' }));
      else if (seen.has(name)) problems.push(problem('DuplicateName', at, `tags ${seen.get(name)} and ${tag} both are version ${name} of ${product.name}`, { object, severity: 'warning', hint: 'Delete one of the two tags.' }));
      else {
        seen.set(name, tag);
        versions.push({ product: product.name, name, tag });
      }
    }
  }
  return { versions, problems };
}
