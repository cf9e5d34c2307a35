/** The objects of the double's org: fields as `describe` tells them (a cut of developer.salesforce.com's Lead and Contact). */

export interface FakeField {
  readonly name: string
  readonly label: string
  readonly type: string
  readonly length: number
  readonly createable: boolean
  readonly updateable: boolean
  readonly nillable: boolean
  readonly defaultedOnCreate: boolean
  readonly externalId: boolean
  readonly idLookup: boolean
  readonly unique: boolean
  readonly restrictedPicklist: boolean
  readonly picklistValues: readonly { readonly value: string; readonly label: string; readonly active: boolean }[]
}

const field = (name: string, more: Partial<FakeField> = {}): FakeField => ({
  name,
  label: name,
  type: 'string',
  length: 255,
  createable: true,
  updateable: true,
  nillable: true,
  defaultedOnCreate: false,
  externalId: false,
  idLookup: false,
  unique: false,
  restrictedPicklist: false,
  picklistValues: [],
  ...more,
})
const readOnly = { createable: false, updateable: false, nillable: false, defaultedOnCreate: true }
const picklist = (values: readonly string[], more: Partial<FakeField> = {}): Partial<FakeField> => ({
  type: 'picklist',
  length: 40,
  picklistValues: values.map((value) => ({ value, label: value, active: true })),
  ...more,
})
const EVENT_ID = field('Manifold_Event_Id__c', { length: 60, externalId: true, idLookup: true, unique: true })
const PERSON = [
  field('Id', { ...readOnly, type: 'id', length: 18, idLookup: true }),
  field('OwnerId', { type: 'reference', length: 18, nillable: false, defaultedOnCreate: true }),
  field('CreatedDate', { ...readOnly, type: 'datetime', length: 0 }),
  field('FirstName', { length: 40 }),
  field('LastName', { length: 80, nillable: false }),
  field('Email', { type: 'email', length: 80, idLookup: true }),
  field('Description', { type: 'textarea', length: 32_000 }),
  EVENT_ID,
]

/** By API name. */
export const OBJECTS: Readonly<Record<string, readonly FakeField[]>> = {
  Lead: [
    ...PERSON,
    field('Company', { nillable: false }),
    field('NumberOfEmployees', { type: 'int', length: 0 }),
    field('AnnualRevenue', { type: 'currency', length: 0 }),
    field('IsUnreadByOwner', { type: 'boolean', length: 0, nillable: false, defaultedOnCreate: true }),
    field('Met_On__c', { type: 'date', length: 0 }),
    field('Asked_At__c', { type: 'datetime', length: 0 }),
    field('LeadSource', picklist(['Web', 'Phone Inquiry', 'Other'])),
    field('Rating', picklist(['Hot', 'Warm', 'Cold'], { restrictedPicklist: true })),
    field(
      'Topics__c',
      picklist(['Price', 'Support', 'Training'], { type: 'multipicklist', length: 4_099, restrictedPicklist: true }),
    ),
    field('First_Answer__c', { updateable: false }),
    field('Free__c', { externalId: true, idLookup: true }),
    field('Number__c', { ...readOnly, nillable: true, externalId: true, idLookup: true, unique: true }),
  ],
  Contact: [...PERSON, field('AccountId', { type: 'reference', length: 18 })],
  Survey_Answer__c: [EVENT_ID, field('Key__c', { length: 80 }), field('Text__c', { type: 'textarea', length: 32_000 })],
}
