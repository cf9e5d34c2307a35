/** A state as a coloured word. The word says it; the colour only helps. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'calm'

const TONES: Readonly<Record<string, Tone>> = {
  delivered: 'good',
  ready: 'good',
  running: 'good',
  loaded: 'good',
  completed: 'good',
  ok: 'good',
  retry: 'warn',
  retrying: 'warn',
  degraded: 'warn',
  paused: 'warn',
  partial: 'warn',
  ambiguous: 'warn',
  'needs-approval': 'warn',
  warning: 'warn',
  dead: 'bad',
  disabled: 'bad',
  broken: 'bad',
  invalid: 'bad',
  unauthorized: 'bad',
  refused: 'bad',
  failed: 'bad',
  error: 'bad',
  pending: 'info',
}

/** The tone of a state's word. */
export const toneOf = (state: string): Tone => TONES[state] ?? 'calm'

export const chip = (state: string, tone: Tone = toneOf(state)): Html =>
  html`<span class="chip ${tone}">${state.replaceAll(/[-_]/g, ' ')}</span>`
