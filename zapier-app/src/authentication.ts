/** A key of the hub, and where the hub is. */
import type { Authentication, Bundle, ZObject } from 'zapier-platform-core'
import { callHub, HUB_VERSION_MIN, SCOPES } from './hub.ts'

interface Me {
  readonly workspace?: string
  readonly version?: string
  readonly key?: { readonly id: string; readonly name: string; readonly scopes: readonly string[] }
}

/** Where docs/integration.md is published; whoever publishes the app sets it (docs/publishing.md). */
const HELP_PAGE = 'https://example.com/manifold/zapier'

/** Who the key is; throws when this is no hub, an old one, or the key may too little. */
async function test(z: ZObject, bundle: Bundle) {
  const { workspace, version, key } = await callHub<Me>(z, bundle, { path: '/me', about: { isOfEveryHub: true } })
  if (workspace === undefined || version === undefined || key === undefined)
    throw new z.errors.Error('What answers at this address is not a Manifold hub. Check the address.', 'base_url', 400)
  if (isOlder(version, HUB_VERSION_MIN)) {
    const message = `This hub is Manifold ${version}; the app needs ${HUB_VERSION_MIN} or newer. Bring the hub up to date.`
    throw new z.errors.Error(message, 'hub_version', 400)
  }
  const missing = SCOPES.filter((scope) => !key.scopes.includes(scope) && !key.scopes.includes('admin'))
  if (missing.length > 0)
    throw new z.errors.Error(`The key lacks ${missing.join(', ')}. Make one with these scopes as well.`, 'api_key', 400)
  return { workspace, key_name: key.name, hub_version: version }
}

/** By the numbers of `a.b.c`. */
export function isOlder(version: string, than: string): boolean {
  const [mine, other] = [version, than].map((text) => text.split(/[.+-]/).slice(0, 3).map(Number))
  for (const [place, number] of (other ?? []).entries()) {
    const difference = (mine?.[place] ?? 0) - number
    if (difference !== 0) return difference < 0
  }
  return false
}

export const authentication = {
  type: 'custom',
  test,
  connectionLabel: '{{workspace}} ({{key_name}})',
  fields: [
    {
      key: 'base_url',
      label: 'Address of the Hub',
      type: 'string',
      required: true,
      inputFormat: 'https://{{input}}',
      placeholder: 'forms.example.com',
      helpText: `Where you open your Manifold hub. [How to find it](${HELP_PAGE}).`,
    },
    {
      key: 'api_key',
      label: 'API Key',
      type: 'password',
      required: true,
      helpText: `Make one with the scopes ${SCOPES.map((scope) => `\`${scope}\``).join(', ')}. [How to make a key](${HELP_PAGE}).`,
    },
  ],
} satisfies Authentication
