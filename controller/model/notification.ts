/** Notifications: what a manifest asks for and what a channel is told. Types and the default of the schema. */
import type { NotificationSpec } from '../../schemas/gen/types.ts';

export type Channel = NotificationSpec['channel'];
/** `test` is asked for by a person, never by a manifest. */
export type NotificationEvent = NonNullable<NotificationSpec['events']>[number] | 'test';

export const DEFAULT_EVENTS: readonly NotificationEvent[] = ['deployment-failed', 'problem', 'node-unreachable'];

/** A Notification manifest. */
export interface DeclaredNotification {
  readonly name: string;
  readonly channel: Channel;
  readonly urlFrom: string;
  readonly events: readonly NotificationEvent[];
  /** Null: all. */
  readonly deployments: readonly string[] | null;
  readonly nodes: readonly string[] | null;
}

/** Something that happened, as the outbox has it. */
export interface Happened {
  readonly id: number;
  readonly team: string;
  readonly event: NotificationEvent;
  readonly deployment: string | null;
  readonly node: string | null;
  readonly at: Date;
  readonly detail: Readonly<Record<string, unknown>>;
}

export function declaredNotification(name: string, spec: NotificationSpec): DeclaredNotification {
  return { name, channel: spec.channel, urlFrom: spec.urlFrom, events: spec.events ?? DEFAULT_EVENTS, deployments: spec.deployments ?? null, nodes: spec.nodes ?? null };
}
