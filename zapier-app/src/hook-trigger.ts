/** All triggers are hooks of the hub: they differ in what they are about, and in what that looks like. */
import type { Bundle, Trigger, ZObject } from 'zapier-platform-core'
import { answersOfForm, FORM_INPUT } from './fields.ts'
import { callHub, hubUrl } from './hub.ts'

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

/** A trigger that subscribes at the hub, and shows what the hub would send. */
export function hookTrigger({ key, noun, label, description, event, ofForm, sample, outputFields }: HookTrigger) {
  const formOf = ({ inputData }: Bundle): string | null => (ofForm ? String(inputData['form_id'] ?? '') : null)
  const performSubscribe = (z: ZObject, bundle: Bundle) =>
    callHub<Item>(z, bundle, {
      path: '/hooks',
      method: 'POST',
      body: {
        target_url: bundle.targetUrl,
        event,
        form_id: formOf(bundle),
        source: 'zapier',
        hub_url: hubUrl(z, bundle),
        meta: { zap_id: bundle.meta?.zap?.id === undefined ? null : String(bundle.meta.zap.id) },
      },
    })
  const performUnsubscribe = async (z: ZObject, bundle: Bundle) => {
    const id = String(bundle.subscribeData?.id ?? '')
    await callHub(z, bundle, { path: `/hooks/${encodeURIComponent(id)}`, method: 'DELETE' })
    return { id }
  }
  const performList = async (z: ZObject, bundle: Bundle): Promise<Item[]> => {
    const form = formOf(bundle)
    const params = { event, hub_url: hubUrl(z, bundle), ...(form === null ? {} : { form }) }
    const { items, made_up } = await callHub<{ items: Item[]; made_up: boolean }>(z, bundle, {
      path: '/hooks/sample',
      params,
    })
    return made_up ? [] : items
  }
  const perform = (_z: ZObject, bundle: Bundle): Item[] => [bundle.cleanedRequest as Item]
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
