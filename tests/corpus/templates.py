"""Sentences of the synthetic notes, in many hands: fields stand in braces.

The held-out ones were written before the recognisers and left alone while those were written.
"""

from __future__ import annotations

from dataclasses import dataclass

WEEKDAYS = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
HOLIDAYS = (
    "Christmas",
    "Thanksgiving",
    "New Year's Day",
    "July 4th",
    "Labor Day",
    "Easter",
)
COUNTIES = (
    "Cook County", "Maricopa County", "Orange County", "King County", "Wayne County",
    "Harris County", "Suffolk County", "Cuyahoga County", "Orleans Parish", "Fairfax County",
)  # fmt: skip
HOSPITALS = (
    " General Hospital", " Medical Center", " Memorial Hospital", " Community Hospital",
    " Regional Medical Center", " Clinic", " Nursing Home", " Hospital", " Rehabilitation Center",
)  # fmt: skip

# What looks a little like an identifier, and must stay.
KEPT: dict[str, tuple[str, ...]] = {
    "drug": (
        "metoprolol", "Lisinopril", "Metformin", "Lasix", "warfarin", "Eliquis", "Keppra",
        "Zosyn", "vancomycin", "Coumadin", "Lipitor", "atorvastatin", "Humalog", "Lantus",
        "Xarelto", "Plavix", "amlodipine", "Synthroid", "Zofran", "Dilaudid", "Norco", "Ativan",
        "Tylenol", "Percocet", "Augmentin", "Levaquin", "Bactrim", "Neurontin", "Seroquel",
        # Not in the recognisers' list of drugs.
        "Rybelsus", "Trulicity", "Farxiga", "Skyrizi", "Brilinta", "Jantoven", "Zetia", "Savella",
    ),
    "dose": (
        "2 mg", "25 mg", "500 mg PO BID", "40 mg IV daily", "0.5 mg", "10 units", "1 g q8h",
        "81 mg", "75 mcg", "12.5 mg", "1000 mg", "5/325", "3.375 g", "100 mcg/hr",
    ),
    "bp": ("120/80", "138/76", "98/54", "145/92", "110/70", "162/101"),
    "lab": (
        "7.4", "13.2", "K 4.1", "Na 138", "creatinine 1.2", "HbA1c 7.4%", "WBC 11.2", "Hgb 9.8",
        "troponin 0.04", "INR 2.3", "glucose 143", "platelets 224", "BUN 22", "lactate 1.8",
        "BNP 1240", "TSH 3.12", "pH 7.32", "pCO2 44", "ALT 36", "sodium 141", "LDL 101",
    ),
    "vital": (
        "HR 88", "RR 18", "T 98.6", "SpO2 97%", "pulse 72", "weight 82.4 kg", "BMI 31.2",
        "temp 37.9", "O2 sat 94%", "height 172 cm",
    ),
    "eponym": (
        "Parkinson disease", "Crohn's disease", "Alzheimer's disease", "Hodgkin lymphoma",
        "Graves' disease", "Guillain-Barre syndrome", "Raynaud phenomenon", "Bell's palsy",
        "Addison disease", "Murphy's sign", "Foley catheter", "Marfan syndrome",
        "Barrett's esophagus", "Hashimoto thyroiditis", "Wilson disease", "Huntington disease",
        "Sjogren syndrome", "Charcot joint", "Whipple procedure", "Babinski reflex",
        "Romberg test", "Cushing syndrome", "Kaposi sarcoma", "Jackson-Pratt drain",
    ),
    "condition": (
        "atrial fibrillation", "Type 2 diabetes mellitus", "COPD", "hypertension", "CHF",
        "end-stage renal disease", "community-acquired pneumonia", "DVT", "anemia",
        "osteoarthritis", "GERD", "hyperlipidemia", "obstructive sleep apnea", "UTI", "sepsis",
    ),
    "duration": (
        "3 days", "two weeks", "6 months", "48 hours", "10 years", "one week", "5-7 days",
        "24 hours", "a few days", "4-6 weeks", "20 minutes",
    ),
    "score": (
        "pain 6/10", "strength 5/5", "GCS 15", "EF 45%", "3/6 systolic murmur", "NYHA class III",
        "APGAR 8/9", "grade 2/4", "T2N1M0", "Stage IIIA", "MMSE 24/30", "ASA 3", "2+ edema",
        "ECOG 1", "Mallampati II",
    ),
    "measure": (
        "2.3 x 1.5 cm", "4 mm", "1.2 cm", "L4-L5", "C5-C6", "T12", "12 x 8 mm", "3-0 Vicryl",
        "7 French", "20 gauge", "segment VI", "0.9% NS", "1/2 NS", "5000 units",
    ),
    "code": (
        "ICD-10 E11.9", "I10", "CPT 99213", "J18.9", "DRG 291", "N18.6", "BI-RADS 2",
        "SNOMED 44054006", "RxNorm 860975", "LOINC 4548-4",
    ),
    "term": (
        "CT abdomen", "MRI brain", "EKG", "chest X-ray", "PT/OT", "Cardiology", "Nephrology",
        "Infectious Disease", "Physical Therapy", "ICU", "Emergency Department", "Head CT",
        "Echocardiogram", "Hospice", "Interventional Radiology", "Neurology", "Social Work",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """A kind of note.

    Attributes:
        lines: each a line of text, or (how many, sentences) of which some are drawn.
        held_out: whether it was kept aside while the recognisers were written.
    """

    lines: tuple[str | tuple[int, tuple[str, ...]], ...]
    held_out: bool = False


_COURSE = (
    "The patient was started on {drug} {dose} with good effect.",
    "Labs notable for {lab} and {lab}.",
    "Vitals on arrival: BP {bp}, {vital}, {vital}.",
    "{He} was seen by Dr. {surname} from {term}, who recommended {drug} {dose}.",
    "Past medical history includes {condition}, {eponym} and {condition}.",
    "{term} on {date} showed a {measure} lesion without change since {year}.",
    "{He} denies fever, chills or chest pain for the last {duration}.",
    "On hospital day 3 the {lab} improved and {drug} was held.",
    "{mr} {last} tolerated the procedure well; {score} at rest.",
    "Blood cultures drawn on {short_date} grew MRSA.",
    "{He} was transferred from {hospital} on {date} for a higher level of care.",
    "Follow-up {term} is planned in {duration}.",
    "Examination: {score}, no {condition}, {measure} incision clean and dry.",
    "{first} lives in {city} with {his} sister {name}.",
    "Family history: mother died at age {old} of {condition}; father has {eponym}.",
    "Symptoms began on {weekday} and worsened over {duration}.",
    "The diagnosis was coded as {code}.",
)
_SOCIAL = (
    "{He} works for {employer} and quit smoking in {year}.",
    "Lives at {street}, {city}, {state} {zip}.",
    "{His} daughter {name} can be reached at {phone}.".replace("{His}", "The"),
    "Retired teacher from {county}.",
    "Drove {his} own car (license plate {plate}) to the appointment.",
    "Email for the portal: {email}.",
    "Emergency contact: {name}, {phone}.",
    "Denies alcohol for {duration}; used to live in {city}, {state}.",
    "Last colonoscopy was in {month}, before that in {year}.",
)
_SIGNED = (
    "Electronically signed by {name}, MD on {date}",
    "Dictated by: {name}, M.D.",
    "Signed: {someone}, RN",
    "Attending physician: {name}",
    "Dr. {name}, pager {phone}",
)

TEMPLATES: dict[str, Template] = {
    "discharge summary": Template(
        (
            "DISCHARGE SUMMARY",
            "Patient: {patient}    MRN: {mrn}",
            "DOB: {dob}    Age: {age}    Sex: {sex}",
            "Admitted: {date}    Discharged: {date}",
            "SSN: {ssn}   Account #: {account}",
            "Facility: {hospital}",
            "",
            (
                "HISTORY OF PRESENT ILLNESS: {mr} {last} is a {age}-year-old {sex} with "
                "{condition} and {eponym} who presented on {date} with {duration} of dyspnea."
            ),
            "HOSPITAL COURSE:",
            (6, _COURSE),
            "SOCIAL HISTORY:",
            (3, _SOCIAL),
            "DISCHARGE MEDICATIONS: {drug} {dose}, {drug} {dose}, {drug} {dose}.",
            "Follow up with Dr. {surname} on {date} at {phone}. Fax results to {fax}.",
            (1, _SIGNED),
        )
    ),
    "progress note": Template(
        (
            "PROGRESS NOTE {date} 08:15",
            "Name: {listed}  MR#: {mrn}  Room 412B",
            "S: {first} feels better today, slept well. Pain controlled with {drug}. {score}.",
            "O: BP {bp}, {vital}, {vital}. {lab}, {lab}, {lab}.",
            "A/P: {age} y/o {sex} with {condition}, POD #2.",
            (4, _COURSE),
            "1. {condition}: continue {drug} {dose}.",
            "2. {eponym}: {term} follow-up in {duration}.",
            "Discussed with {name} (wife) and Dr. {name}.",
            (1, _SIGNED),
        )
    ),
    "radiology report": Template(
        (
            "RADIOLOGY REPORT",
            "Exam: {term}   Accession No: {accession}   Exam date: {date}",
            "Patient Name: {patient}   Medical Record Number: {mrn}",
            "Referring physician: {name}, MD   Phone: {phone}  Fax: {fax}",
            "CLINICAL INDICATION: {age}-year-old {sex} with {condition}, rule out {condition}.",
            "COMPARISON: {term} of {date}, and of {month}.",
            "TECHNIQUE: Axial images at 5 mm, contrast 100 mL Omnipaque 350. DLP 412.",
            (
                "FINDINGS: There is a {measure} nodule in the right lower lobe. {measure} is "
                "unremarkable. Liver measures {measure}."
            ),
            (
                "The pacemaker (model Medtronic Azure, serial number {serial}) is in "
                "unchanged position."
            ),
            (
                "IMPRESSION: 1. No acute abnormality. 2. {measure} nodule, {code}, unchanged "
                "since {year}."
            ),
            "Findings were called to Dr. {surname} on {date} at 14:35.",
            "Interpreted by {name}, MD, license no. {license}. Images: {url}",
        )
    ),
    "referral letter": Template(
        (
            "{hospital}",
            "{street}",
            "{city}, {state} {zip}",
            "Tel: {phone}   Fax: {fax}",
            "",
            "{date}",
            "",
            "Dear Dr. {surname},",
            "",
            "Re: {patient}, DOB {dob}, Member ID: {plan}",
            (
                "Thank you for seeing this {age}-year-old {sex}, a {condition} patient of "
                "mine since {year}."
            ),
            (4, _COURSE),
            (2, _SOCIAL),
            "{His} medications are {drug} {dose} and {drug} {dose}.".replace(
                "{His}", "Current"
            ),
            "You may reach {mr} {last} at {phone} or {email}.",
            "",
            "Sincerely,",
            "{name}, MD",
            "NPI {npi}, DEA {dea}",
        )
    ),
    "nursing note": Template(
        (
            "NURSING NOTE  {date} 0700-1900",
            "Pt {listed}, MRN {mrn}, {age}F/M, allergies: {drug}.",
            "0730 Assumed care from {someone}, RN. {vital}, BP {bp}.",
            "0900 {drug} {dose} given per Dr. {surname}. {score}.",
            "1015 Wound photographed: {photo}. Wound {measure}.",
            "1100 Daughter {forename} at bedside; asks to be called at {phone}.",
            "1300 {lab}; MD aware. Foley catheter draining 300 mL.",
            "1500 Infusion pump S/N {serial} alarmed, replaced.",
            "1745 {mr} {last} ambulated 50 feet with PT. Denies pain.",
            "Next dressing change on {weekday}.",
            (1, _SIGNED),
        )
    ),
    "emergency department": Template(
        (
            "ED PROVIDER NOTE",
            (
                "{patient} is a {age} y.o. {sex} brought in by EMS from {street}, {city} "
                "after a motor vehicle collision on {date}."
            ),
            "Vehicle: VIN {vin}, plate {plate}. Police report no. {case}.",
            "Insurance: Blue Cross, policy number {plan}. Visit number: {account}.",
            "PMH: {condition}, {eponym}. Meds: {drug}, {drug}. Allergies: NKDA.",
            "Exam: BP {bp}, {vital}, {vital}, {score}.",
            (4, _COURSE),
            "Head CT negative. {lab}. {lab}.",
            "Driver's license: {license}. Social security number {ssn}.",
            "Next of kin: {name} (son), {phone}.",
            "Disposition: discharged home in stable condition with {drug} {dose}.",
            (1, _SIGNED),
        )
    ),
    "research visit": Template(
        (
            "RESEARCH VISIT 3, protocol {study}",
            "Subject ID: {study}   Subject initials on file. Visit date {date}.",
            "{patient} consented at {hospital} on {date}. Fingerprint template ID: {biometric}.",
            "Home monitor (MAC {mac}, IP address {ip}) uploaded {lab} daily for {duration}.",
            "Specimen number: {accession}. Case number {case}.",
            (3, _COURSE),
            "Payment to account number {account}; travel reimbursed to card {card}.",
            "Questionnaire at {url}; login sent to {email}.",
            "Coordinator: {name}, {phone}.",
        )
    ),
    "geriatric consult": Template(
        (
            "GERIATRICS CONSULTATION - {date}",
            "Requested by Dr. {surname}, {term}.",
            (
                "{mr} {patient} is a {old}-year-old {sex} from {hospital} with {eponym} and "
                "{condition}."
            ),
            "{He} is {old} years old and was independent until {month}.",
            (4, _COURSE),
            (2, _SOCIAL),
            "Son of {name}; his brother {name} holds power of attorney.",
            "{score}, {score}. {lab}.",
            "Family meeting on {weekday} with {forename} and {forename}.",
            "Medicare number {plan}. Hearing aid serial no. {serial}.",
            (1, _SIGNED),
        )
    ),
    "operative report": Template(
        (
            "OPERATIVE REPORT",
            "PATIENT: {listed}",
            "MRN: {mrn}   DATE OF OPERATION: {date}",
            "SURGEON: {name}, MD    ASSISTANT: {someone}",
            "ANESTHESIA: General, {name}, CRNA",
            "PROCEDURE: Right total hip arthroplasty, {code}.",
            "INDICATIONS: {age}-year-old {sex} with severe osteoarthritis for {duration}.",
            (
                "DETAILS: A {measure} incision was made. Implant lot number {serial}, UDI "
                "{udi}. Closed with 3-0 Vicryl."
            ),
            "EBL 250 mL. {lab}. Given {drug} {dose}.",
            (3, _COURSE),
            "Specimens: femoral head, pathology no. {accession}.",
        )
    ),
    # --- held out -------------------------------------------------------------------------------
    "telephone encounter": Template(
        (
            "Telephone encounter, {date}",
            "Caller {name}, mother of {first} {last}, rang from {phone} about {his} {condition}.",
            "Pt ID {mrn}. Chart reviewed: {age} yo, on {drug} {dose}. Last visit {short_date}.",
            "She wants records mailed to {street}, {city} {state} {zip} or emailed to {email}.",
            (
                "Spoke with pharmacist {forename} at Walgreens; Rx for {drug} {dose} x "
                "{duration} called in."
            ),
            "Advised: go to {hospital} if temp above 38.5 or {score}.",
            "I will call back {weekday}. -- {someone}",
        ),
        held_out=True,
    ),
    "psychiatry intake": Template(
        (
            "Psychiatric intake",
            (
                "Identifying data: {patient} (he goes by {forename}), {age}-year-old {sex}, "
                "employed at {employer}, residing in {city}, {county}."
            ),
            "Referred by {name}, LCSW. Insurance ID {plan}; claim number {case}.",
            "Born {dob} in {city}. Last admitted around {holiday} at {hospital}.",
            "Hx of {eponym} and {condition}; {drug} {dose} since {month}.",
            "{first} reports poor sleep for {duration}. {score}. {lab}.",
            "Probation officer {someone}, docket {case}, ph {phone}.",
            "SSN ends in {ssn4}. Face photo on file ({photo}).",
            "{last} agrees to return on {short_date}.",
            "{name}, PhD. State license {license}",
        ),
        held_out=True,
    ),
    "home health": Template(
        (
            "Home health visit ({weekday} {date})",
            "Client {last}, {first}. Medicaid {plan}. Chart no. {mrn}.",
            "Glucometer {serial} downloaded; average {lab}. Remote unit at {ip}.",
            "Wife {name} (cell {phone}) manages {drug} {dose}.",
            "{he} weighs the same; BP {bp}; {vital}; {measure} ulcer, {score}.",
            "Parking: {plate} in the drive. Key code from neighbor {someone}.",
            "Voiceprint enrolled for phone check-ins, reference {biometric}.",
            "Bank draft from {iban} authorised.",
            "Pt turned {old} last month. Seen again {date}. C/o {condition} x {duration}.",
            "Faxed to {fax}. See {url} for photos.",
        ),
        held_out=True,
    ),
    "pathology": Template(
        (
            "SURGICAL PATHOLOGY    Case {accession}",
            "{listed} | {dob} | {mrn} | Req. {name} MD",
            "Received {date}, reported {date}.",
            (
                "Gross: labelled with the patient's name ({patient}) and consists of a "
                "{measure} tan fragment."
            ),
            "Micro: {condition}; {eponym} is not favored. {score}. {code}.",
            "Block A1-A3. Stain lot {serial}. Scanner record {uuid}.",
            "cc: {name}, {hospital}, {city}",
            "Pathologist {name} (lic {license})",
        ),
        held_out=True,
    ),
    "free prose": Template(
        (
            (
                "I had the pleasure of meeting {patient} and {his} partner {forename} in "
                "clinic this {weekday}. As you know, {he} was well until {month}, when {he} "
                "noticed {condition} while driving through {city}. {He} took {drug} {dose} "
                "for {duration} without relief and was seen by my colleague {name} at "
                "{hospital}, who found {lab} and {score}. {last}'s grandfather lived to "
                "{old}. On {date} a {term} was read by {someone} as showing a {measure} "
                "mass. Given {eponym} in the family I would like {forename} {surname} in "
                "{term} to see {first} before {holiday}. I can be reached on {phone} or at "
                "{email}."
            ),
            "With kind regards,",
            "{someone}",
        ),
        held_out=True,
    ),
}

GROUPS = {
    "all": tuple(TEMPLATES),
    "seen": tuple(
        name for name, template in TEMPLATES.items() if not template.held_out
    ),
    "held-out": tuple(
        name for name, template in TEMPLATES.items() if template.held_out
    ),
}
