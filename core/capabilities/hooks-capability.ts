/** `ctx.hooks`: who asked to be sent events, and the one way to send to them, by a reference instead of an address. */
import { HOOK_EVENTS } from '../contract/index.ts'
import type { HookEvent, Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Hook } from '../model.ts'
import type { HookBook } from '../registry/hooks.ts'
import type { Installation } from '../registry/installation.ts'
import type { Args } from './arguments.ts'

/** What a run needs of the hooks of its workspace. */
export interface HooksScope {
  readonly hooks: Pick<HookBook, 'get' | 'list' | 'note' | 'remove'>
  readonly installation: Installation
  /** Of an action that runs for one delivery: only what was sent can be noted. */
  readonly isAction: boolean
}

/** A page is small enough that a handler can enqueue one delivery for each of it. */
const LIST_MAX = 40
const ID_CHARS_MAX = 255

export async function listHooks(args: Args, scope: HooksScope): Promise<Json> {
  const { hooks, workspace } = allowed(scope)
  const event = args.text('event')
  if (!isHookEvent(event)) throw args.wrong(`event has to be one of ${HOOK_EVENTS.join(', ')}`)
  const page = await hooks.list({
    workspace,
    event,
    formId: args.optionalText('form', ID_CHARS_MAX) ?? null,
    after: args.optionalText('after', ID_CHARS_MAX) ?? null,
    limit: LIST_MAX,
  })
  return { items: page.items.map(hookInfo), next: page.next }
}

export async function getHook(args: Args, scope: HooksScope): Promise<Json | undefined> {
  const { hooks, workspace } = allowed(scope)
  const hook = await hooks.get(workspace, args.text('id', ID_CHARS_MAX))
  return hook === undefined ? undefined : hookInfo(hook)
}

export async function noteHook(args: Args, scope: HooksScope): Promise<undefined> {
  const { hooks, workspace } = allowedInAction(scope)
  hooks.note(workspace, args.text('id', ID_CHARS_MAX), args.optionalText('reason') ?? null)
}

export async function removeHook(args: Args, scope: HooksScope): Promise<Json> {
  const { hooks, workspace } = allowedInAction(scope)
  return hooks.remove(workspace, args.text('id', ID_CHARS_MAX), args.text('reason'))
}

/** The id in a HookRef, or undefined for anything else. */
export function hookIn(value: Json | undefined): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const id = (value as { readonly [key: string]: Json })['$hook']
  return typeof id === 'string' ? id : undefined
}

/** Where a hook is. Throws `capability_denied` without the permission, and for one that is gone. */
export async function hookTarget(id: string, scope: HooksScope): Promise<string> {
  const { hooks, workspace } = allowed(scope)
  const hook = await hooks.get(workspace, id)
  if (hook === undefined) throw new HubError('capability_denied', `http: there is no hook "${id.slice(0, 100)}".`)
  return hook.targetUrl
}

const isHookEvent = (text: string): text is HookEvent => (HOOK_EVENTS as readonly string[]).includes(text)

const hookInfo = ({ id, event, formId, source, hubUrl }: Hook): Json => ({
  id,
  event,
  form: formId,
  source,
  hubUrl,
  url: { $hook: id },
})

function allowed({ hooks, installation }: HooksScope) {
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
  return allowed(scope)
}
