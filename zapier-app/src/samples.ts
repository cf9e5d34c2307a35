/** What stands in the editor until there is something real: only what every form has. */
export const RESPONSE_SAMPLE = {
  id: 'rsp_01936d3e-0000-7000-8000-000000000001',
  form_id: 'contact',
  form_name: 'Contact us',
  form_version: 1,
  status: 'completed',
  started_at: '2026-11-27T12:30:00.000Z',
  started_at_text: '27 Nov 2026, 12:30 UTC',
  submitted_at: '2026-11-27T12:35:00.000Z',
  submitted_at_text: '27 Nov 2026, 12:35 UTC',
  url: 'https://forms.example.com/responses/rsp_01936d3e-0000-7000-8000-000000000001',
  other_answers: '',
}
