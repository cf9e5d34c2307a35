/** Form definitions: what is read, what is refused and where. */
import { expect, test } from 'vitest'
import { formToWire, parseForm } from '../../core/ingest/form-definition.ts'

const pointersOf = (wire: unknown): string[] => {
  const parsed = parseForm(wire)
  return parsed.ok ? [] : parsed.problems.map(({ pointer }) => pointer)
}

test('defaults are filled in and options are given labels', () => {
  const parsed = parseForm({
    name: ' Contact ',
    fields: [
      { key: 'email' },
      { key: 'topic', type: 'select', options: ['Sales', { value: 's', label: 'Support' }, { value: 'x' }] },
    ],
  })
  expect(parsed).toEqual({
    ok: true,
    definition: {
      name: 'Contact',
      fields: [
        { key: 'email', label: 'email', type: 'text', required: false, pii: false, options: [] },
        {
          key: 'topic',
          label: 'topic',
          type: 'select',
          required: false,
          pii: false,
          options: [
            { value: 'Sales', label: 'Sales' },
            { value: 's', label: 'Support' },
            { value: 'x', label: 'x' },
          ],
        },
      ],
      access: 'public',
      unknownFields: 'keep',
      redirectUrl: null,
      honeypotField: '_gotcha',
    },
  })
})

test('a definition survives the way to the wire and back', () => {
  const wire = {
    name: 'All',
    fields: [
      { key: 'a', label: 'A', type: 'rating', required: true, pii: false, min: 1, max: 10, help: 'how much' },
      { key: 'b', label: 'B', type: 'radio', options: ['yes', 'no'], required: false, pii: true },
    ],
    access: 'key',
    unknown_fields: 'refuse',
    redirect_url: 'https://example.com/thanks?x=1',
    honeypot_field: 'website',
  }
  const first = parseForm(wire)
  if (!first.ok) throw new Error(JSON.stringify(first.problems))
  expect(parseForm(formToWire(first.definition))).toEqual(first)
})

test.each<[string, unknown, string[]]>([
  ['not an object', 7, ['']],
  ['no name', { fields: [] }, ['/name']],
  ['empty name', { name: '  ' }, ['/name']],
  ['unknown member', { name: 'x', colour: 'red' }, ['/colour']],
  ['unknown member of a field', { name: 'x', fields: [{ key: 'a', requird: true }] }, ['/fields/0/requird']],
  ['a member with a slash', { name: 'x', 'a/b~c': 1 }, ['/a~1b~0c']],
  ['bad key', { name: 'x', fields: [{ key: '1a' }] }, ['/fields/0/key']],
  ['a key with a dot', { name: 'x', fields: [{ key: 'a.b' }] }, ['/fields/0/key']],
  ['__proto__', { name: 'x', fields: [{ key: '__proto__' }] }, ['/fields/0/key']],
  ['constructor', { name: 'x', fields: [{ key: 'constructor' }] }, ['/fields/0/key']],
  ['no key', { name: 'x', fields: [{ type: 'text' }] }, ['/fields/0/key']],
  ['duplicate key', { name: 'x', fields: [{ key: 'a' }, { key: 'b' }, { key: 'a' }] }, ['/fields/2/key']],
  ['unknown type', { name: 'x', fields: [{ key: 'a', type: 'telephone' }] }, ['/fields/0/type']],
  ['select without options', { name: 'x', fields: [{ key: 'a', type: 'select' }] }, ['/fields/0/options']],
  ['options on text', { name: 'x', fields: [{ key: 'a', options: ['b'] }] }, ['/fields/0/options']],
  [
    'duplicate option',
    { name: 'x', fields: [{ key: 'a', type: 'radio', options: ['b', { value: 'b' }] }] },
    ['/fields/0/options/1'],
  ],
  ['bounds on a date', { name: 'x', fields: [{ key: 'a', type: 'date', max: 4 }] }, ['/fields/0/max']],
  ['min above max', { name: 'x', fields: [{ key: 'a', type: 'number', min: 4, max: 3 }] }, ['/fields/0/min']],
  ['a text of minus one characters', { name: 'x', fields: [{ key: 'a', min: -1 }] }, ['/fields/0/min']],
  ['a rating without end', { name: 'x', fields: [{ key: 'a', type: 'rating', max: 1_000 }] }, ['/fields/0/max']],
  ['javascript: redirect', { name: 'x', redirect_url: 'javascript:alert(1)' }, ['/redirect_url']],
  ['no time zone', { name: 'x', timezone: 'Middle-earth/Shire' }, ['/timezone']],
  ['relative redirect', { name: 'x', redirect_url: '/thanks' }, ['/redirect_url']],
  ['redirect with a password', { name: 'x', redirect_url: 'https://a:b@example.com' }, ['/redirect_url']],
  [
    'honeypot that is a field',
    { name: 'x', fields: [{ key: 'website' }], honeypot_field: 'website' },
    ['/honeypot_field'],
  ],
  ['access', { name: 'x', access: 'secret' }, ['/access']],
  [
    'all mistakes at once',
    { name: 'x', fields: [{ key: 'a' }, { key: 'a', type: 'select' }], redirect_url: 'x' },
    ['/fields/1/key', '/fields/1/options', '/redirect_url'],
  ],
])('%s', (_name, wire, pointers) => {
  expect(pointersOf(wire)).toEqual(pointers)
})
