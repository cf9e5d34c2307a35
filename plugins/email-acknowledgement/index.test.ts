/** Whom it writes to and what, and what it does when there is nobody. */
import { expect, test } from 'vitest'
import { conformance, testPlugin } from 'manifold/plugin/testing'
import type { TestPluginOptions } from 'manifold/plugin/testing'

const FIELDS = [
  { key: 'email', type: 'email' as const, pii: true },
  { key: 'name', type: 'text' as const },
]
const forms = { contact: { name: 'Contact & more', fields: FIELDS } }
const grants = { pii: ['email'] }
const open = (more: Partial<TestPluginOptions> = {}) => testPlugin({ dir: import.meta.dirname, forms, grants, ...more })

test('the sender is thanked at the address they gave', async () => {
  const config = {
    subject: 'Thank you, {{data.name}}!',
    text: 'Dear {{data.name}}',
    html: '<p>{{data.name}}</p>',
    replyTo: 'sales@example.org',
  }
  await using plugin = await open({ config })
  await plugin.submit('contact', { email: 'ada@example.com', name: 'Ada <b>\nBcc: eve@evil.example' })
  const [delivery] = await plugin.settle()
  expect(delivery?.state).toBe('delivered')
  expect(plugin.email.sent).toEqual([
    {
      messageId: `<${delivery?.id}@manifold.example>`,
      from: 'Test hub <hub@manifold.example>',
      to: 'ada@example.com',
      replyTo: 'sales@example.org',
      subject: 'Thank you, Ada <b> Bcc: eve@evil.example!',
      text: 'Dear Ada <b>\nBcc: eve@evil.example',
      html: '<p>Ada &lt;b&gt;\nBcc: eve@evil.example</p>',
      headers: {},
    },
  ])
})

test('later means later, no such user means never', async () => {
  await using plugin = await open()
  plugin.email.answer([450, 250, 550])
  await plugin.submit('contact', { email: 'ada@example.com' })
  expect((await plugin.settle())[0]).toMatchObject({ state: 'retrying', errorCode: 'smtp_450' })
  expect((await plugin.advance('1s'))[0]?.state).toBe('delivered')
  await plugin.submit('contact', { email: 'nobody@example.com' })
  expect((await plugin.settle())[1]).toMatchObject({ state: 'dead', errorCode: 'smtp_550' })
})

test('no address: nobody is written to; one that it may not see is for the admin to grant', async () => {
  await using plugin = await open()
  await plugin.submit('contact', { name: 'Ada' })
  expect((await plugin.settle()).map(({ state }) => state)).toEqual(['delivered'])
  expect(plugin.email.sent).toEqual([])
  expect(plugin.logs().map(({ message }) => message)).toEqual([
    'no answer to "email" that this installation may see: nobody to write to',
  ])
  await using blind = await open({ grants: {} })
  await blind.submit('contact', { email: 'ada@example.com' })
  expect(await blind.settle()).toMatchObject([{ state: 'dead', errorCode: 'field_withheld' }])
  expect(blind.email.sent).toEqual([])
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})
