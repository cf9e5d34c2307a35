/** `ctx.hooks`: who asked to be sent events, and what came of sending to them. */
import { HOOK_EVENTS } from '../contract/index.ts'
import type { HookEvent, Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Hook } from '../model.ts'
import type { HookBook } from '../registry/hooks.ts'
import type { Installation } from '../registry/installation.ts'
import type { Args } from './arguments.ts'

/** What a run needs of the hooks of its workspace. */
export interface HooksScope {
  readonly hooks: Pick<HookBook, 'get' | 'find' | 'list' | 'note' | 'remove'>
  readonly installation: Installation
  /** Of an action that runs for one delivery: only what was sent can be noted. */
  readonly isAction: boolean
  /** Where the run has sent to, by id of the hook. */
  readonly sentTo: Map<string, string>
}

/** Where there are none. */
export const NO_HOOKS: HooksScope['hooks'] = {
  get: () => Promise.resolve(undefined),
  find: () => Promise.resolve(undefined),
  list: () => Promise.resolve({ items: [], next: null }),
  note: () => {},
  remove: () => Promise.resolve(false),
}

/** A page is small enough that a handler can enqueue one delivery for each of it. */
const LIST_MAX = 40
const ID_CHARS_MAX = 255

export async function listHooks(args: Args, scope: HooksScope): Promise<Json> {
  const { hooks, workspace } = allowedHooks(scope)
  const event = args.text('event')
  if (!isHookEvent(event)) throw args.wrong(`event has to be one of ${HOOK_EVENTS.join(', ')}`)
  const page = await hooks.list({
    workspace,
    event,
    eventId: args.text('eventId', ID_CHARS_MAX),
    formId: args.optionalText('form', ID_CHARS_MAX) ?? null,
    after: args.optionalText('after', ID_CHARS_MAX) ?? null,
    limit: LIST_MAX,
  })
  return { items: page.items.map(hookInfo), next: page.next }
}

export async function getHook(args: Args, scope: HooksScope): Promise<Json | undefined> {
  const { hooks, workspace } = allowedHooks(scope)
  const id = args.text('id', ID_CHARS_MAX)
  const inForce = await hooks.get(workspace, id)
  if (inForce !== undefined) return hookInfo(inForce)
  const ended = await hooks.find(workspace, id)
  return ended === undefined ? undefined : { ...hookInfo(ended), isStill: true }
}

export async function noteHook(args: Args, scope: HooksScope): Promise<undefined> {
  const { hooks, workspace } = allowedInAction(scope)
  hooks.note(workspace, args.text('id', ID_CHARS_MAX), args.optionalText('reason') ?? null)
}

export async function removeHook(args: Args, scope: HooksScope): Promise<Json> {
  const { hooks, workspace } = allowedInAction(scope)
  const id = args.text('id', ID_CHARS_MAX)
  const targetUrl = scope.sentTo.get(id)
  if (targetUrl === undefined)
    throw new HubError('capability_denied', 'hooks.remove is for a hook that this run has sent to.')
  return hooks.remove(workspace, id, { reason: args.text('reason'), targetUrl, isByReceiver: true })
}

const isHookEvent = (text: string): text is HookEvent => (HOOK_EVENTS as readonly string[]).includes(text)

const hookInfo = ({ id, event, formId, source, hubUrl }: Hook) => ({
  id,
  event,
  form: formId,
  source,
  hubUrl,
  isStill: false,
  url: { $hook: id },
})

/** Throws `capability_denied` without the permission. */
export function allowedHooks({ hooks, installation }: HooksScope) {
  if (!installation.plugin.manifest.permissions.hooks)
    throw new HubError('capability_denied', 'The manifest does not ask for permissions.hooks.')
  return { hooks, workspace: installation.workspace }
}

function allowedInAction(scope: HooksScope) {
  if (!scope.isAction)
    throw new HubError(
      'capability_denied',
      'hooks.note and hooks.remove are for actions: they tell what came of sending.',
    )
  return allowedHooks(scope)
}
