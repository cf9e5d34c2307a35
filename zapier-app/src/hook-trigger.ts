/** All triggers are hooks of the hub: they differ in what they are about, and in what that looks like. */
import type { Bundle, Trigger, ZObject } from 'zapier-platform-core'
import { answersOfForm, FORM_INPUT } from './fields.ts'
import { callHub, hubUrl } from './hub.ts'
import { withFiles } from './hydrators.ts'
import { isRefused } from './refusals.ts'

export interface HookTrigger {
  readonly key: string
  readonly noun: string
  readonly label: string
  readonly description: string
  /** Of the hub. */
  readonly event: string
  /** It is about one form, which the user chooses, and brings its answers. */
  readonly ofForm: boolean
  readonly sample: Readonly<Record<string, unknown>>
  readonly outputFields: readonly { readonly key: string; readonly label: string; readonly type: string }[]
}

type Item = { id: string } & Record<string, unknown>

/** Null where Zapier tells none: then the address alone names the subscription. */
function zapIdOf({ meta }: Bundle): string | null {
  const id: unknown = meta?.zap?.id
  return id ? String(id) : null
}

const RENEWED_AFTER_MS = 30 * 86_400_000

/**
 * By then Zapier is to subscribe again. A Zap that only triggers makes no call of its own: where its key has ended, this is the one
 * that is refused, so that its owner hears of it.
 */
const renewAt = (endsAt: string | null): string =>
  new Date(Math.min(endsAt === null ? Infinity : Date.parse(endsAt), Date.now() + RENEWED_AFTER_MS)).toISOString()

/** A trigger that subscribes at the hub, and shows what the hub would send. */
export function hookTrigger({ key, noun, label, description, event, ofForm, sample, outputFields }: HookTrigger) {
  const formOf = ({ inputData }: Bundle): string | null => (ofForm ? String(inputData['form_id'] ?? '') : null)
  const performSubscribe = async (z: ZObject, bundle: Bundle) => {
    const hook = await callHub<Item & { readonly ends_at?: string | null }>(z, bundle, {
      path: '/hooks',
      method: 'POST',
      body: {
        target_url: bundle.targetUrl,
        event,
        form_id: formOf(bundle),
        source: 'zapier',
        hub_url: hubUrl(z, bundle),
        meta: { zap_id: zapIdOf(bundle) },
      },
    })
    return { ...hook, expiration_date: renewAt(hook.ends_at ?? null) }
  }
  const performUnsubscribe = async (z: ZObject, bundle: Bundle) => {
    const { id, target_url } = bundle.subscribeData as unknown as Item & { readonly target_url: string }
    try {
      // Turned on again meanwhile, the hook has another address, and this call comes late.
      await callHub(z, bundle, { path: `/hooks/${encodeURIComponent(id)}`, method: 'DELETE', params: { target_url } })
    } catch (error) {
      // Made with a key before this one: it ends with that, or by the 410 with which Zapier answers from now on.
      if (!isRefused(error as Error)) throw error
    }
    return { id }
  }
  const performList = async (z: ZObject, bundle: Bundle): Promise<Item[]> => {
    const form = formOf(bundle)
    const params = { event, hub_url: hubUrl(z, bundle), ...(form === null ? {} : { form }) }
    const { items, made_up } = await callHub<{ items: Item[]; made_up: boolean }>(z, bundle, {
      path: '/hooks/sample',
      params,
    })
    return made_up ? [] : items.map((item) => withFiles(z, item))
  }
  const perform = (z: ZObject, bundle: Bundle): Item[] => [withFiles(z, bundle.cleanedRequest as Item)]
  return {
    key,
    noun,
    display: { label, description },
    operation: {
      type: 'hook',
      inputFields: ofForm ? [FORM_INPUT] : [],
      performSubscribe,
      performUnsubscribe,
      perform,
      performList,
      sample,
      outputFields: ofForm ? [...outputFields, answersOfForm] : [...outputFields],
    },
  } as unknown as Trigger
}
