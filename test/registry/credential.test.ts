/** What of a check still stands once something went well. */
import { expect, test } from 'vitest'
import type { CheckFinding } from '../../core/model.ts'
import { credentialOf, standingFindings } from '../../core/registry/credential.ts'

const BEFORE = '2026-05-01T10:00:00.000Z'
const AT = '2026-05-01T11:00:00.000Z'
const AFTER = '2026-05-01T12:00:00.000Z'
const config = { token: { $secret: 'a' }, auth: { key: { $secret: 'b' } }, 'a/b': { $secret: 'c' }, object: 'Lead' }

const told: readonly CheckFinding[] = [
  { level: 'info', message: 'Posts as hub.', at: '/token' },
  { level: 'error', message: 'no such object', at: '/object' },
  { level: 'warning', message: 'three fields are missing' },
  { level: 'error', message: 'the plugin failed', code: 'plugin_threw' },
]
const disproved: readonly CheckFinding[] = [
  { level: 'error', message: 'invalid_auth', at: '/token' },
  { level: 'error', message: 'expired', at: '/auth' },
  { level: 'error', message: 'refused', at: '/a~1b' },
  { level: 'error', message: 'refused', code: 'credential_refused' },
  { level: 'warning', message: 'could not be checked', code: 'http_connect' },
]

test('a later success clears what it disproves: of the credential and of a receiver that did not answer', () => {
  const check = { at: AT, findings: [...told, ...disproved] }
  expect(standingFindings({ check, config, provenAt: AFTER })).toEqual(told)
  for (const provenAt of [null, BEFORE, AT])
    expect(standingFindings({ check, config, provenAt })).toEqual(check.findings)
})

test('what went well without the credential says nothing of it', () => {
  const refusal: CheckFinding = { level: 'error', message: 'expired', code: 'credential_refused' }
  const check = { at: AT, hash: 'h', findings: [refusal] }
  const row = { state: 'ready', reason: null, stateSince: BEFORE, lastSuccessAt: AFTER, check } as const
  expect(credentialOf({ ...row, provenAt: null })).toEqual({ state: 'refused', since: AT, message: 'expired' })
  expect(credentialOf({ ...row, provenAt: null, check: null })).toMatchObject({ state: 'unknown' })
  expect(credentialOf({ ...row, provenAt: AFTER })).toMatchObject({ state: 'ok' })
})
