/** Webhooks in the shapes of the senders' own documentation (named in the file of each source), for tests; every person is made up. */

/** https://www.typeform.com/developers/webhooks/example-payload/ */
export const typeform = (rest: { token?: string; event_type?: string; answers?: readonly object[] } = {}): object => ({
  event_id: '01HZX5RWX4M8P6',
  event_type: rest.event_type ?? 'form_response',
  form_response: {
    form_id: 'lT4Z3j',
    token: rest.token ?? 'a3a12ec67a1365927098a606107fac15',
    landed_at: '2025-11-18T18:07:02Z',
    submitted_at: '2025-11-18T18:17:02Z',
    hidden: { user_id: 'abc123456' },
    calculated: { score: 9 },
    variables: [
      { key: 'score', type: 'number', number: 9 },
      { key: 'winner', type: 'text', text: 'tea' },
    ],
    definition: {
      id: 'lT4Z3j',
      title: 'Webhooks example',
      fields: [
        { id: 'DlXFaesGBpoF', title: 'Tell us more.', type: 'long_text', ref: 'more' },
        { id: 'SMEUb7VJz92Q', title: 'Your e-mail', type: 'email', ref: '9a489f17-8765-494b-933e-3624c645bd0c' },
        {
          id: 'k6TP9oLGgHjl',
          title: 'Which city?',
          type: 'multiple_choice',
          ref: 'city',
          choices: [
            { id: 'c1', label: 'London' },
            { id: 'c2', label: 'Paris' },
          ],
        },
        { id: 'PNe8ZKBK8C2Q', title: 'All you like', type: 'picture_choice', ref: 'likes', choices: [] },
        { id: 'NRsxU591jIW9', title: 'How likely?', type: 'opinion_scale', ref: 'nps' },
        { id: 'RUqkXSeXBXSd', title: 'Again?', type: 'yes_no', ref: 'again' },
        { id: 'gFFf3xAkJKsr', title: 'When?', type: 'date', ref: 'when' },
        { id: 'phone1', title: 'Phone', type: 'phone_number', ref: 'phone' },
        { id: 'file1', title: 'CV', type: 'file_upload', ref: 'cv' },
        { id: 'pay1', title: 'Pay', type: 'payment', ref: 'pay' },
        { id: 'rank1', title: 'Order these', type: 'ranking', ref: 'order', choices: [{ label: 'A' }, { label: 'B' }] },
      ],
    },
    answers: rest.answers ?? [
      { type: 'text', text: 'It works fine.', field: { id: 'DlXFaesGBpoF', type: 'long_text', ref: 'more' } },
      {
        type: 'email',
        email: 'ada@example.com',
        field: { id: 'SMEUb7VJz92Q', type: 'email', ref: '9a489f17-8765-494b-933e-3624c645bd0c' },
      },
      {
        type: 'choice',
        choice: { label: 'London' },
        field: { id: 'k6TP9oLGgHjl', type: 'multiple_choice', ref: 'city' },
      },
      {
        type: 'choices',
        choices: { labels: ['London', 'Sydney'], other: 'the sea' },
        field: { id: 'PNe8ZKBK8C2Q', type: 'picture_choice', ref: 'likes' },
      },
      { type: 'number', number: 9, field: { id: 'NRsxU591jIW9', type: 'opinion_scale', ref: 'nps' } },
      { type: 'boolean', boolean: false, field: { id: 'RUqkXSeXBXSd', type: 'yes_no', ref: 'again' } },
      { type: 'date', date: '2032-01-01', field: { id: 'gFFf3xAkJKsr', type: 'date', ref: 'when' } },
      {
        type: 'phone_number',
        phone_number: '+4930123456',
        field: { id: 'phone1', type: 'phone_number', ref: 'phone' },
      },
      {
        type: 'file_url',
        file_url: 'https://api.typeform.com/forms/lT4Z3j/responses/7f46165d/fields/x/files/cv.pdf',
        field: { id: 'file1', type: 'file_upload', ref: 'cv' },
      },
      {
        type: 'payment',
        payment: { amount: '1.50', last4: '1234', name: 'Jane Smith', success: true },
        field: { id: 'pay1', type: 'payment', ref: 'pay' },
      },
      { type: 'choices', choices: { labels: ['B', 'A'] }, field: { id: 'rank1', type: 'ranking', ref: 'order' } },
    ],
  },
})

/** https://tally.so/help/webhooks */
export const tally = (rest: { responseId?: string; eventType?: string } = {}): object => ({
  eventId: 'a4cb511e-d513-4fa5-baee-b815d718dfd1',
  eventType: rest.eventType ?? 'FORM_RESPONSE',
  createdAt: '2025-06-28T15:00:21.889Z',
  data: {
    responseId: rest.responseId ?? '2wgx4n',
    submissionId: rest.responseId ?? '2wgx4n',
    respondentId: 'dwQKYm',
    formId: 'VwbNEw',
    formName: 'Demo form',
    createdAt: '2025-06-28T15:00:21.000Z',
    fields: [
      { key: 'question_mVGEg3', label: 'Name', type: 'INPUT_TEXT', value: 'Ada' },
      { key: 'question_nPpjVn', label: 'E-mail', type: 'INPUT_EMAIL', value: 'ada@example.com' },
      { key: 'question_phone1', label: 'Phone', type: 'INPUT_PHONE_NUMBER', value: '+32 480 12 34 56' },
      { key: 'question_3EKz4n', label: 'Score', type: 'INPUT_NUMBER', value: 10 },
      {
        key: 'question_w4Q4Xn',
        label: 'Plan',
        type: 'MULTIPLE_CHOICE',
        value: ['e7bca9ba'],
        options: [
          { id: 'e7bca9ba', text: 'Free' },
          { id: '6f5af2a9', text: 'Pro' },
        ],
      },
      {
        key: 'question_3jZaa3',
        label: 'Colours',
        type: 'CHECKBOXES',
        value: ['a1', 'b2'],
        options: [
          { id: 'a1', text: 'Red' },
          { id: 'b2', text: 'Blue' },
          { id: 'c3', text: 'Green' },
        ],
      },
      { key: 'question_3jZaa3_a1', label: 'Colours (Red)', type: 'CHECKBOXES', value: true },
      { key: 'question_3jZaa3_c3', label: 'Colours (Green)', type: 'CHECKBOXES', value: false },
      {
        key: 'question_file01',
        label: 'Files',
        type: 'FILE_UPLOAD',
        value: [
          { id: 'x', name: 'a.png', url: 'https://storage.tally.so/a.png', mimeType: 'image/png', size: 12 },
          { id: 'y', name: 'b.png', url: 'https://storage.tally.so/b.png', mimeType: 'image/png', size: 13 },
        ],
      },
      { key: 'question_rate01', label: 'Rating', type: 'RATING', value: 4 },
      { key: 'question_hid001_source', label: 'source', type: 'HIDDEN_FIELDS', value: 'newsletter' },
      {
        key: 'question_matrix',
        label: 'Matrix',
        type: 'MATRIX',
        value: { r1: ['k2'] },
        rows: [{ id: 'r1', text: 'Speed' }],
        columns: [
          { id: 'k1', text: 'Bad' },
          { id: 'k2', text: 'Good' },
        ],
      },
      { key: 'question_none01', label: 'Left empty', type: 'INPUT_TEXT', value: null },
    ],
  },
})

/** The inputs of a form post; https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/ */
export const jotform = (rest: { submissionID?: string } = {}): Readonly<Record<string, string>> => ({
  action: '',
  webhookURL: 'https://hub.example/i/jotform/jotform/…',
  username: 'someone',
  formID: '253117572694059',
  type: 'WEB',
  customParams: '',
  formTitle: 'Workshop',
  submissionID: rest.submissionID ?? '6133624291919912345',
  ip: '192.0.2.7',
  pretty: 'Name:Ada Lovelace, Email:ada@example.com',
  rawRequest: JSON.stringify({
    slug: 'submit/253117572694059',
    submitSource: 'form',
    submitDate: '1762649526949',
    buildDate: '1762649478292',
    uploadServerUrl: 'https://upload.jotform.com/upload',
    eventObserver: '1',
    q3_name: { first: 'Ada', last: 'Lovelace' },
    q4_email: 'ada@example.com',
    q5_workshopDate: { month: '1', day: '18', year: '2026' },
    q6_topics: ['Looms', 'Engines'],
    q7_phoneNumber: { full: '(012) 345-6789' },
    q8_comments: 'Grüße aus Köln ✓',
    input9: ['https://www.jotform.com/uploads/someone/1/2/cv.pdf'],
  }),
  isSilent: '',
})

/** As sent by `createWebhookPromises` of Formbricks. */
export const formbricks = (
  event: 'responseCreated' | 'responseUpdated' | 'responseFinished' | 'testEndpoint',
  data: Readonly<Record<string, unknown>>,
  id = 'cm8x31w2v000dl508f0a7qk1m',
): object => ({
  webhookId: 'cm8x2k4tq0007l508u1d3hz9e',
  event,
  data: {
    id,
    surveyId: 'cm8wz6n3a0002l508c4r9t2yb',
    createdAt: '2025-10-21T22:14:48.012Z',
    updatedAt: '2025-10-21T22:15:54.776Z',
    finished: event === 'responseFinished',
    data,
    variables: {},
    survey: { title: 'Feature requests', type: 'link', status: 'inProgress' },
  },
})

/** What the script of README.md sends. */
export const googleForms = (responseId = '2_ABaOnudPqYx'): object => ({
  formId: '1FAIpQLSd',
  formTitle: 'Party',
  responseId,
  timestamp: '2025-05-01T10:00:00.000Z',
  respondentEmail: 'ada@example.com',
  items: [
    { id: 11, title: "What's your name?", type: 'TEXT', response: 'Ada' },
    { id: 12, title: 'Coming?', type: 'MULTIPLE_CHOICE', response: 'Yes', choices: ['Yes', 'No'] },
    { id: 13, title: 'Bringing', type: 'CHECKBOX', response: ['Cake', 'Wine'], choices: ['Cake', 'Wine', 'Bread'] },
    { id: 14, title: 'How hungry?', type: 'SCALE', response: '4' },
    { id: 15, title: 'Born', type: 'DATE', response: '1990-12-10' },
  ],
})
