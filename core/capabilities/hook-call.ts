/** A request to a hook, by a reference: the plugin does not learn where that is, and neither does who reads what was sent. */
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { callHttp } from './http-capability.ts'
import type { HttpCall, HttpCapabilityDeps } from './http-capability.ts'
import { allowedHooks } from './hooks-capability.ts'
import type { HooksScope } from './hooks-capability.ts'
import { createMask } from './mask.ts'
import type { Mask } from './mask.ts'

/** The id in a HookRef, or undefined for anything else. */
export function hookIn(value: Json | undefined): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const id = (value as { readonly [key: string]: Json })['$hook']
  return typeof id === 'string' ? id : undefined
}

/** `call` without its url. */
export interface HookCall {
  readonly id: string
  readonly call: HttpCall
}

/**
 * To where a hook is, whatever the manifest's hosts are; its breaker is its own. Whoever knows its address can send to it, so
 * that is kept like a secret of the installation. An address that the hub does not send to is that hook's fault: nothing of
 * the installation could be mended, and the other hooks go on.
 */
export async function callHook(http: HttpCapabilityDeps, { id, call }: HookCall, scope: HooksScope): Promise<Json> {
  const url = await targetOf(id, scope)
  scope.sentTo.set(id, url)
  const hidden = maskOf(url)
  const deps: HttpCapabilityDeps = {
    ...http,
    allowed: (method) =>
      method === 'POST' ? null : new HubError('capability_denied', 'http: a hook is sent to by POST.'),
    mask: (text, isCut) => hidden(http.mask(text, isCut), isCut),
  }
  try {
    return await callHttp(deps, {
      ...call,
      request: { ...call.request, url },
      circuit: id,
      isHiddenUrl: true,
      isToHook: true,
    })
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'http_refused_address') throw error
    throw new HubError('http_refused_url', error.message, { cause: error })
  }
}

async function targetOf(id: string, scope: HooksScope): Promise<string> {
  const { hooks, workspace } = allowedHooks(scope)
  const hook = await hooks.get(workspace, id)
  if (hook === undefined) throw new HubError('capability_denied', `http: there is no hook "${id.slice(0, 100)}".`)
  return hook.targetUrl
}

/** As many as hooks are sent to in turns; making one takes longer than sending. */
const MASKS_MAX = 1_000
const masks = new Map<string, Mask>()

function maskOf(url: string): Mask {
  const known = masks.get(url)
  if (known !== undefined) return known
  const mask = createMask([url])
  if (masks.size >= MASKS_MAX) masks.delete(masks.keys().next().value as string)
  masks.set(url, mask)
  return mask
}
