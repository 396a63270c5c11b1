"""Words that a language model mistakes for names: medical terms, states, months.

All are lower case. A word that is a name by its context ("Dr. Bell") is still scrubbed.
"""

from __future__ import annotations

import re

_ORDINARY = """
a about above abnormal accession account acute additional address admission admit admitted advised
after age ago all allergies allergy also am an and any appointment are as assessment assistant at
attending axial baseline because bed bedside before been being below bilateral block born both but
by call called came can care case cc cell chart chief claim client clinical clinic closed code
comments comparison complaint complaints conclusion condition consult consultation contact
continue continued contrast coordinator course credit current currently daily date daughter day
days dear deceased denies department details device diagnoses diagnosis dictated discharge
discharged discussed disposition dob doctor does done due during each ed electronically email
emergency encounter end episode er evaluation evening exam examination facility family father fax
female final findings first follow followed following for former friday from full further gender
general given good gross group had has have he health height hello her here hi his history home
hospital hospitalist husband i id identifying if impression in indication indications infusion
initial insurance intake into is issued it its labs last late left letter license lives location
lot male man may md medical medicaid medicare medication medications medicine member micro mild
moderate monday morning mother mr mri mrn ms name negative new next no none normal not note notes
notified now npi number nurse nursing objective of office old on once one operation operative or
order our out over overnight own page pager pain past patient patients per phone physical physician
plan plate please pmh police policy position positive posterior postoperative pre prior procedure
progress protocol provider pt received recommendations record ref referral referred regarding
regards regular reason report reported requested requisition research resident residing resting
results retired return review right room rx said same saturday scan scheduled section see seen
serial service severe sex she shift signed since sincerely sister small social son source specimen
specimens stable state status still study subject subjective summary sunday surgeon surgery
surgical symptoms taken technique tel telephone temperature thank thanks that the their then there
these they this those thursday time to today tolerated tomorrow tonight total transferred treatment
tuesday two unchanged under unit until up upon use used vehicle very via visit vital vitals was we
wednesday week weight well were when where which while who wife will with without woman work wound
yesterday you your zip
driver sat sats spo2 hgb hct wbc rbc bun inr ptt tsh bnp alt ast ldl hdl gcs mmse lvef ef
disease diseases licence unknown none denied reports states tolerating well-appearing alert oriented
req voiceprint fingerprint iban sob cp cc hpi pmh psh ros
dr drs mrs miss prof mx ems ekg ecg icu er or ent pt ot pcp rn np pa lcsw crna phd do dds rph fu
follow-up driver's passport plan's ii iii iv vi vii viii ix rr hr bp na allergies nkda meds social
family seen spoke signed sex race ethnicity weight height bmi dose dear yo y/o aka attn re per an am
my so if who why how yes ok please today's tomorrow's client's patient's pt's
"""

# Also surnames and first names: taken for names next to a title, a role or another name.
_SURNAMES = """
case day page gross ward christian head block small old long young rich may april june august
grant hall court park parks lane rose lily summer faith hope joy grace joseph angel jordan
brain colon church bishop pope king prince price chance bell ball bond stone wood woods snow
winter english french german israel african cook baker miller carter mason hunter fisher
gardner porter parker potter shepherd taylor turner walker weaver wright child son husband
blood bone ear foot hand hart hair love sharp short strong sweet swift power powers noble
nurse doctor german lung mass chart check drain good best read reading pine porta cruz sane
white black brown green gray grey reed frost field fields ford forest hill lake rivers banks
first last mark marks bill will pat drew sue art frank gene jack guy ray miles dale wade
center clinic mercy marshall major sergeant judge senior junior light house foley ii iii iv jr
sr kaiser smith hunt marsh waters cross fox wolf barber butler cooper farmer hood knight mills
savage swan underwood wells wise bacon berry bird booth bowers brewer burns bush cannon chambers
chase clay cotton craft crane dean diamond drake east flowers ford foreman fowler freeman gates
glass golden goodman graves hale hardy harper heath holder holly horn key kirk lamb law little
mason mead moody moon north pierce pike pool rich ring roach rush shields singleton skinner spears
sparks stark summers todd vance wall walls weeks west wilder winters workman abbot archer bailey
barker bower carver coleman cross dyer falconer forester gentry glover goldsmith hopper hyde kitchen
lawless merchant messenger pickles plumber purser sawyer sexton singer spicer squire steward tiller
usher warden weller whale wheeler whistler woodward wyatt
"""
ALSO_NAMES = frozenset(_SURNAMES.split())

_CLINICAL = (
    """
abdomen abdominal abscess adenocarcinoma albumin alkaline allergic ambulated amputation anemia
anesthesia aneurysm angina angiogram antibiotic antibiotics anterior aorta aortic appendectomy
apnea appendicitis arrhythmia arterial artery arthritis arthroplasty ascites aspirin asthma
atelectasis atrial auscultation autopsy azure basal bilirubin biopsy bladder bleeding blood bone
bowel bradycardia brain breast breath bronchitis bronchoscopy calcium cancer carcinoma cardiac
cardiology cardiomegaly cardiomyopathy carotid catheter celiac cellulitis cerebral cervical chest
cholecystectomy cholesterol chronic cirrhosis colectomy colitis colon colonoscopy coma coronary
cortex cough cranial creatinine culture cultures cyst deltoid dementia dental depression dermatitis
dermatology diabetes diabetic dialysis diarrhea diastolic diet diffuse distal diverticulitis doppler
dorsal dressing drain dysphagia dyspnea dysuria ears echo echocardiogram edema effusion ejection
electrocardiogram electrolytes embolism emphysema endocrine endocrinology endoscopy enteral enzyme
epidural epilepsy erythema esophagus extremities extremity eyes femoral femur fever fibrillation
fibrosis fistula flu fluid fluids foley fracture gait gallbladder gangrene gastric gastritis
gastroenterology geriatrics glaucoma glucometer glucose gram groin gynecology head hearing heart
heent hematocrit hematology hematoma hemodialysis hemoglobin hemorrhage heparin hepatic hepatitis
hernia hip hospice hydration hypertension hypotension hypothyroidism hypoxia immunology implant
incision infarct infarction infection infectious inferior influenza inhaler insulin intensive
interventional intravenous intubated ischemia ischemic jaundice joint kidney knee labor lateral
lesion leukemia lipase liver lobe lumbar lung lungs lymph lymphoma magnesium malignancy mass
mastectomy medial melanoma meningitis metastasis metastatic micro mitral monitor mucosa murmur
muscle myocardial narcotic nausea neck necrosis neoplasm nephrology nephropathy nerve neuro
neurologic neurology neuropathy neutropenia nodule nystagmus obese obesity obstetrics obstruction
occupational oncology ophthalmology oral orthopedic orthopedics osteoarthritis osteoporosis otology
ovarian oxygen pacemaker palliative palpitations pancreas pancreatic pancreatitis parenteral
pathology pediatrics pelvic pelvis penicillin pericardial peripheral peritoneal pharmacy phosphatase
physiotherapy plasma platelet platelets pleural pneumonia pneumothorax podiatry portal potassium
pregnancy preoperative prostate protein proximal psych psychiatric psychiatry psychology pulmonary
pulse pump pupils questionnaire radiation radiology rash rectal rectum rehab rehabilitation renal
respiration respiratory retina rheumatology rhythm rib sacral saline scar schizophrenia seizure
sepsis septic serum sinus skin sleep smoker sodium soft spinal spine spleen sputum staphylococcus
stenosis stent sterile sternum steroid stomach stool streptococcus stroke subcutaneous superior
suture swelling syncope syndrome systolic tachycardia tachypnea tendon therapy thoracic throat
thrombosis thyroid thyroiditis tissue tonsils topical trachea transfusion transplant trauma tremor
triage tricuspid tumor ulcer ultrasound umbilical upper lower ureter urinalysis urinary urine
urology uterus vaccine vagina valve vascular vein venous ventilator ventricle ventricular vertigo
vicryl viral virus vision vitamin vomiting wheezing xray apgar covid influenza ecog mallampati
nyha medtronic omnipaque walgreens cvs aetna cigna humana kaiser epic cerner telemetry ward station
block stain scanner images image study studies caller wellness portal rhythm nonsmoker alcohol
tobacco caucasian hispanic african american asian english spanish christian catholic jewish muslim
"""
    + """
acetaminophen albuterol adderall advair ambien amoxicillin ativan atropine augmentin azithromycin
bactrim benadryl botox buspar celebrex celexa cipro claritin clindamycin colace coreg coumadin
cozaar crestor cymbalta decadron depakote digoxin dilaudid diovan eliquis entresto epinephrine
fentanyl flagyl flomax flonase flovent fosamax gabapentin haldol humalog humira hydralazine
hydrocodone ibuprofen imodium imuran januvia jardiance keflex keppra klonopin lantus lasix levaquin
levothyroxine lexapro lidocaine lipitor lopressor lovenox lyrica maalox metformin methadone
methotrexate miralax morphine motrin naloxone naproxen narcan neurontin nexium nitroglycerin norco
norvasc novolog oxycodone oxycontin paxil pepcid percocet phenytoin plavix pradaxa prednisone
prilosec protonix prozac remicade requip risperdal ritalin robitussin rocephin senna seroquel
sinemet singulair solumedrol spiriva suboxone symbicort synthroid tamiflu tegretol toprol toradol
tramadol trazodone tylenol ultram valium vancomycin vasotec ventolin viagra vicodin warfarin
wellbutrin xanax xarelto zantac zestril zithromax zocor zofran zoloft zosyn zyprexa zyrtec
skyrizi farxiga savella rybelsus zetia brilinta jardiance trulicity jantoven invokana victoza
trajenta tradjenta onglyza byetta basaglar toujeo tresiba novolin levemir apidra bydureon steglatro
repatha praluent livalo vascepa entyvo stelara cosentyx taltz tremfya otezla xeljanz rinvoq olumiant
enbrel cimzia simponi actemra orencia kineza kineret rituxan ocrevus tysabri tecfidera gilenya
copaxone avonex keytruda opdivo herceptin avastin ibrance imbruvica gleevec tarceva xtandi zytiga
lupron eligard casodex arimidex femara aromasin faslodex neulasta neupogen procrit aranesp epogen
latuda abilify rexulti vraylar invega geodon saphris trintellix pristiq viibryd vyvanse strattera
concerta focalin intuniv belsomra lunesta sonata rozerem namenda aricept exelon vimpat briviact
aptiom fycompa onfi topamax lamictal trileptal dilantin zonegran anoro breo trelegy incruse stiolto
dulera arnuity qvar asmanex xopenex combivent daliresp xolair nucala fasenra dupixent eucrisa
elidel protopic lotrimin nystatin diflucan cresemba noxafil vfend mycamine eraxis valtrex famvir
epclusa harvoni mavyret genvoya biktarvy descovy truvada tivicay prezista isentress xofluza paxlovid
beriplex kcentra praxbind andexxa retacrit venofer injectafer feraheme myrbetriq vesicare toviaz
cialis levitra avodart proscar uroxatral rapaflo evista prolia forteo reclast boniva actonel
imitrex maxalt relpax ajovy emgality aimovig nurtec ubrelvy reyvow lomotil viberzi linzess amitiza
trulance motegrity xifaxan carafate bentyl levsin creon zenpep renvela sensipar fosrenol velphoro
diltiazem furosemide glipizide lithium nifedipine verapamil bumex torsemide mirtazapine ozempic
"""
)

_DRUG_ENDINGS = re.compile(
    r"(?:olol|pril|sartan|statin|cillin|mycin|micin|azole|dipine|floxacin|cycline|parin|gliptin"
    r"|gliflozin|glutide|prazole|tidine|setron|triptan|zepam|zolam|barbital|azine|oxetine"
    r"|mab|tinib|ciclib|vir|thiazide|semide|sone|solone|caine|profen|xaban|gatran|formin|amide"
    r"|idone|apine|azepine|toin|codone|morphone|phylline|terol|tropium|statin|itis|osis|emia|uria"
    r"|pathy|ectomy|otomy|oscopy|plasty|opathy|algia|oma)$"
)

_STATES = """
alabama, alaska, arizona, arkansas, california, colorado, connecticut, delaware,
florida, georgia, hawaii, idaho, illinois, indiana, iowa, kansas, kentucky, louisiana, maine,
maryland, massachusetts, michigan, minnesota, mississippi, missouri, montana, nebraska, nevada,
new hampshire, new jersey, new mexico, north carolina, north dakota, ohio, oklahoma, oregon,
pennsylvania, rhode island, south carolina, south dakota, tennessee, texas, utah, vermont,
virginia, west virginia, wisconsin, wyoming, puerto rico,
united states, usa, u.s., us, america, the united states, canada, mexico, england, scotland,
united kingdom, uk, ireland, france, germany, italy, spain, portugal, poland, russia, ukraine,
china, japan, korea, india, pakistan, vietnam, philippines, brazil, cuba, haiti, guatemala,
honduras, el salvador, colombia, nigeria, ghana, kenya, ethiopia, somalia, egypt, iran, iraq,
israel, turkey, australia, europe, africa, asia
"""
STATES = frozenset(name.strip() for name in _STATES.split(","))

STATE_CODES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ"
    "|NM|NY|NC|ND|OH|OK|OR|PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|PR|GU|VI|AS|MP|FM|MH|PW|AA|AE|AP"
)

MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec"
)
WEEKDAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"

# A person's name before one of these words belongs to a disease, a test or a device.
_EPONYM_NOUNS = """
disease disorder syndrome sign signs palsy lymphoma phenomenon catheter thyroiditis esophagus
tumor sarcoma chorea test score scale criteria classification maneuver contracture hernia
ulcer fracture stain node nodes body bodies line lines tube drain retractor forceps clamp
position reflex murmur triad law procedure operation repair incision point ganglion gland
duct canal cell cells dementia encephalopathy ataxia neuropathy dystrophy aphasia cyst
prosthesis vaccine virus fever angle space pouch loop method index stage grade nodule knee
brace collar splint nails swab smear
"""
EPONYM_NOUNS = frozenset(_EPONYM_NOUNS.split())

NOT_NAMES = (
    frozenset((_ORDINARY + _CLINICAL).split())
    | frozenset(month.lower() for month in MONTHS.split("|") if len(month) > 3)
    | frozenset(day.lower() for day in WEEKDAYS.split("|"))
)


def is_medical(word: str, *, by_ending: bool = True) -> bool:
    """Return whether a word is a clinical term, or ends as drugs and findings do.

    Args:
        word: the word, in upper or lower case.
        by_ending: whether the ending is enough; some surnames have such endings too.
    """
    lowered = word.lower().replace("\u2019", "'").removesuffix("'s").rstrip(".'")
    return lowered in NOT_NAMES or (
        by_ending and len(lowered) > 6 and _DRUG_ENDINGS.search(lowered) is not None
    )


# Diseases, signs, tests and devices are named after these people; alone they are no patient.
_EPONYMS = """
addison alzheimer apgar asperger babinski bakri barrett barthel bartholin baker bartonella beck
bechterew behcet bell bishop borg bouchard bowen braden bristol broca brudzinski brugada burkitt
carnett charcot cheyne chvostek clostridium cobb colles coombs crohn cushing devic doppler down
dupuytren duchenne ebstein edinburgh eisenmenger epstein ewing fallot fanconi finkelstein fontan
foley fowler framingham frey friedreich gaucher giemsa gilbert glasgow gleason goodpasture gram
graves grawitz guillain hashimoto hartmann hawkins heberden heimlich henoch hirschsprung hodgkin
hoffman holter homans horner huntington jackson kaposi karnofsky kawasaki kegel kernig killip kimura
klinefelter koch korsakoff kussmaul lachman lasegue ledger levine lewy lhermitte lisfranc luer
mallory marfan mcburney meckel meniere mirizzi montreal morse munchausen murphy nissen norton obrien
osler paget parkinson penrose perthes peyronie phalen pott prinzmetal raynaud reiter reye ringer
rinne rockall romberg roux sengstaken sjogren snellen stokes swan sweet takayasu tanner tay
trendelenburg trousseau turner valsalva virchow wallenberg waterlow weber wegener wernicke whipple
wilms wilson wolff yates zenker ziehl tinetti montgomery asberg ganz
barre willebrand whitney katz lawton schober spurling tinel thomas tietze hibb
"""
EPONYMS = frozenset(_EPONYMS.split()) - frozenset(
    # Common as names of people, too: the word after them decides.
    "baker bell bishop down gilbert graves hawkins hoffman jackson levine mallory montgomery"
    " montreal morse murphy norton obrien sweet tanner thomas turner wilson yates edinburgh"
    " glasgow bristol lawton fowler ledger stokes swan weber whitney gaucher".split()
)

# Words of English that are first names when they have a capital and nothing before it begins a
# sentence.
_ALSO_FIRST = """
abbey abigail amber angelica april ashley aurora autumn barbie basil beau becky ben beryl betty
bill billy bob bobby bonny brad brandy brooke bruce buddy candy carmen carol charity charlie chuck
clement clementine colleen cooper crystal daisy dale dawn dean derrick dick dolly don donna dotty
earl ebony eddy emery eric erica ernest ethyl eve faith felicity fern frances frank franklin fritz
gail gale garret gene genie ginger glen gloria grace graham greg gus guy hank harry hazel heather
hector herb holly homer hunter iris irene ivy jack jade jake jasmine jasper jay jean jenny jerry
jesse jessie jill jim jimmy joan jock joe joey john johnny jose josh joy juan juanita julia julian
june kelly ken kenneth kim kirk kitty kyle lance laurel lee leo liberty lily lola lori louis lucy
lupe lynn mabel mae maggie marge maria marina marjorie mark marlin martha martin marvin mary matt
maude maxine meg mel melody mercedes mercy mick mike miles millie minnie mitch molly monica myrtle
nancy ned nell nelson nick nina noel nora norma olga olive oliver opal oscar otto pam pansy pat
patience patsy patty paul pearl peg penny percy peter phil phoebe pierce polly poppy quentin ralph
randy ray raymond reginald rene rex rhea rick rob robert robin rocky rod roger roland roman ron rory
rose rosemary rosie rowan roy ruby rufus russ rusty ruth sadie sal sally sam sandy scarlett sean sid
sierra stan stanley stella steve stu sue summer susan sylvia ted teddy terry theodore tim timothy
toby tod todd tom tommy tony tracy trey trinity troy val valentine vera vern vernon veronica vic
victor victoria vince viola violet virginia wade walker wally walter wanda warren wayne wendy wes
wilbur will willie willow willy winnie zac zack zoe moses evans lewis
"""
ALSO_FIRST = frozenset(_ALSO_FIRST.split())
