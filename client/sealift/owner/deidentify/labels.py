"""The labels of forms, tables, JSON and XML, in eight languages, and what stands beside them."""

from __future__ import annotations

import re

from sealift.owner.deidentify.wordlists import fold

# Folded: in lower case, without accents. `_` and `-` count as spaces.
# A digit at the end is left out.
_LABELS = {
    "PERSON": """
patient; patient name; patients name; name of patient; pt; pt name; name; full name; surname;
forename; forenames; first name; given name; given names; given; middle name; family name;
family; last name; maiden name; birth name; preferred name; alias; aka; known as; nickname;
client; client name; customer; customer name; cust name; member name; subscriber; subscriber
name; insured; insured name; policyholder; policy holder; account holder; account name; acct
name; cardholder; card holder; beneficiary; beneficiary name; payee; payer; payer name; payee
name; sender; recipient; remitter; originator; debtor; creditor; driver; driver name; operator;
operator name; owner; registered owner; passenger; witness; employee; employee name; staff;
staff name; agent; rep; csr; teller; advisor; adviser; account manager; relationship manager;
rm; manager; supervisor; physician; provider; doctor; dr; attending; attending md; attending
physician; consultant; gp; gp name; pcp; registrar; surgeon; assistant; anesthetist;
anaesthetist; anesthesiologist; nurse; rn; midwife; therapist; technologist; tech; sonographer;
radiologist; pathologist; pharmacist; referring physician; referring md; referring dr;
referring; referrer; referred by; ref md; ref dr; ordering physician; ordering md; ordering
provider; ordered by; ord phys; ord md; requesting; requested by; requestor; reporting; reported
by; reporting radiologist; read by; interpreted by; dictated by; dictating; transcribed by;
typed by; authored by; author; signed; signed by; esigned by; electronically signed;
electronically signed by; e signed by; verified by; authorised by; authorized by; approved by;
reviewed by; checked by; completed by; entered by; recorded by; prepared by; performed by;
administered by; collected by; drawn by; seen by; assessed by; interviewer; interpreter;
coordinator; investigator; principal investigator; pi; case manager; cm; social worker; sw; key
worker; care coordinator; next of kin; nok; nok name; emergency contact; emergency contact name;
contact; contact name; contact person; guardian; parent; mother; father; mother name; father
name; mothers name; fathers name; mom; mum; dad; spouse; spouse name; husband; wife; partner;
son; daughter; brother; sister; carer; caregiver; relative; informant; historian; guarantor;
guarantor name; responsible party; proxy; poa; hcp; power of attorney; cc; attn; attention; fao;
to; from; re; dear; signature; print name; printed name; on call; oncall; resident; fellow;
intern; scribe; dispatcher; officer; caller; called by; spoke with; notified; claimant; injured
party; third party; opposing party; tenant; landlord; student; teacher; subject name; user name
in full; tecnico; nom; nom de famille; nom de naissance; nom usuel; prenom; prenoms; nom et
prenom; nom prenom; patiente; madame; monsieur; medecin; medecin traitant; docteur; praticien;
chirurgien; personne a prevenir; conjoint; conducteur; titulaire; destinataire; paciente;
nombre; nombre completo; nombre y apellidos; apellido; apellidos; primer apellido; segundo
apellido; medico; medica; medico responsable; facultativo; doctora; dra; enfermera; enfermero;
contacto; familiar; titular; conductor; remitente; firmado; firma; acompanante; patientin;
vorname; nachname; familienname; geburtsname; name des patienten; arzt; arztin; hausarzt;
hausarztin; behandelnder arzt; ansprechpartner; kontakt; angehorige; kontoinhaber; fahrer;
halter; kunde; kundin; unterschrift; nome; cognome; nome e cognome; paziente; medico curante;
medico di base; dottore; firmatario; intestatario; naam; voornaam; achternaam; patient naam;
huisarts; arts; behandelaar; contactpersoon; bestuurder; rekeninghouder; nome completo;
sobrenome; apelido; apelidos; utente; doente; medico assistente; nome da mae; nome do pai;
motorista; imie; nazwisko; imie i nazwisko; pacjent; pacjentka; lekarz; lekarz prowadzacy;
kierowca; beneficjent; posiadacz
""",
    "DATE": """
dob; d o b; date of birth; birth date; birthdate; birthday; born; date of death; dod; deceased;
date; dates; date of service; dos; service date; visit date; exam date; study date; date of
exam; report date; admit date; admission date; admission; admitted; date of admission; adm; adm
date; doa; discharge date; date of discharge; discharged; discharge; dc date; d c; collected;
received; resulted; reported on; dictated; transcribed; signed on; date signed; date time;
datetime; timestamp; birthtime; effectivetime; lmp; edd; edc; due date; surgery date; procedure
date; date of procedure; date of surgery; date of injury; doi; date of loss; incident date; date
of incident; onset; onset date; last seen; next appointment; next visit; follow up; appt;
appointment; expiry; expiry date; exp; exp date; expires; valid until; value date; posting date;
transaction date; statement date; issue date; issued; opened; created; updated; modified; hired;
hire date; start date; end date; ddn; date de naissance; ne le; nee le; ne e le; date d entree;
date de sortie; entree; sortie; date d admission; fecha; fecha de nacimiento; f nacimiento; f
nac; fnac; nacimiento; fecha de ingreso; fecha de alta; ingreso; alta; geb; geb datum;
geburtsdatum; geboren; geboren am; geb am; datum; aufnahme; aufnahmedatum; entlassung;
entlassdatum; data; data di nascita; nato il; nata il; nato a; data di ricovero; ricovero;
dimissione; data dimissione; geboortedatum; geb dat; opnamedatum; ontslagdatum; datum opname;
data de nascimento; data nascimento; nascimento; data de admissao; data de alta; dn; data
urodzenia; ur; urodzony; urodzona; data przyjecia; data wypisu
""",
    "LOCATION": """
address; addr; home address; mailing address; street address; street; city; town; county; zip;
zip code; zipcode; postcode; post code; postal code; postalcode; streetaddressline; line;
residence; residential address; place of birth; birthplace; pob; location; facility; hospital;
clinic; practice; surgery; site; mortuary; funeral home; cemetery; church; ward; unit name;
branch; depot; terminal; origin; destination; pickup; pick up; drop off; dropoff; delivery
address; billing address; garage; yard; school; pharmacy; nursing home; lives at; resides at;
residing at; custodian; representedorganization; adresse; domicile; ville; code postal; lieu de
naissance; hopital; etablissement; demeurant; service; direccion; domicilio; ciudad; poblacion;
localidad; municipio; provincia; codigo postal; cp; centro; hospital de origen; lugar de
nacimiento; anschrift; wohnort; wohnhaft; strasse; ort; plz; geburtsort; klinik; krankenhaus;
filiale; indirizzo; residenza; citta; comune; luogo di nascita; ospedale; cap; adres;
woonplaats; straat; geboorteplaats; ziekenhuis; endereco; morada; cidade; naturalidade; local de
nascimento; concelho; adres zamieszkania; zamieszkaly; zamieszkala; miejscowosc; miasto; miejsce
urodzenia; szpital
""",
    "EMPLOYER": """
employer; employer name; company; company name; workplace; place of employment; place of work;
business; business name; firm; carrier; merchant; employeur; entreprise; empresa; empleador;
arbeitgeber; firma name; datore di lavoro; azienda; werkgever; empregador; pracodawca
""",
    "PHONE": """
phone; phone number; phone no; telephone; tel; tel no; telno; telephone no; home phone; home
tel; work phone; work tel; mobile; mobile no; mob; cell; cell phone; cellphone; ph; pager;
beeper; bleep; bleep no; ext; extn; extension; contact no; contact number; contact tel;
callback; call back; callback number; call back number; daytime phone; evening phone; telecom;
whatsapp; telephone domicile; portable; tel portable; telefono; tlf; tfno; movil; telefono fijo;
telefono movil; telefon; telefonnummer; handy; mobil; mobilnummer; durchwahl; rufnummer;
cellulare; telefoonnummer; telefoon; mobiel; telefone; telemovel; celular; contacto telefonico;
nr telefonu; komorka; dect; switchboard
""",
    "FAX": "fax; fax no; fax number; facsimile; telefax; numero de fax; faks",
    "EMAIL": "email; e mail; mail; email address; courriel; correo; correo electronico; correio",
    "MRN": """
mrn; mr no; medical record number; medical record no; med rec no; med rec; chart; chart no;
chart number; patient id; patient no; patient number; pt id; pid; hosp no; hospital no; hospital
number; hospital id; unit no; unit number; nhs; nhs no; nhs number; chi; chi no; urn; ur no;
umrn; cr no; uhid; ipd no; opd no; h no; k no; ipp; nip; numero de dossier; n dossier; numero
patient; nhc; n historia; numero de historia; historia clinica; num historia; numero de historia
clinica; cip; fallnummer; fall nr; patientennummer; patienten nr; pat nr; patienten id;
aufnahmenummer; cartella clinica; numero cartella; patientnummer; patientnr; numero do utente; n
utente; numero de utente; processo; n processo; numer pacjenta; nr historii
""",
    "SSN": """
ssn; ss no; ss; social security; social security no; social security number; soc sec no; sin;
nino; ni no; ni number; national insurance; national insurance no; national insurance number;
numero de securite sociale; n securite sociale; n ss; nss; nir; n de securite sociale; securite
sociale; seguridad social; n seguridad social; sozialversicherungsnummer; sv nr; svnr; rvnr;
pesel; bsn; burgerservicenummer; codice fiscale; cf; dni; nie; nif; dni nie; cpf; curp; aadhaar;
aadhaar no; tax id; tin; steuer id; steuer idnr; steueridentifikationsnummer; national id;
national id no; id number; id no; citizen id; personal id; cedula; rut; ahv; ahv nr;
rijksregisternummer; niss
""",
    "HEALTH_PLAN": """
member id; member no; member number; memb id; policy; policy no; policy number; policy id; group
no; group number; group; grp; subscriber id; subscriber no; insurance; insurance id; insurance
no; ins id; ins; insurer; payor; payer id; health plan; plan id; plan name; medicare; medicare
no; medicare id; medicaid; medicaid id; medicaid no; mbi; hicn; coverage id; certificate no;
beneficiary id; rxbin; rxpcn; rxgrp; rxgroup; mutuelle; n adherent; numero d adherent;
aseguradora; poliza; n poliza; numero de poliza; tis; krankenkasse; kasse; versichertennummer;
versicherten nr; versichertennr; versicherung; kv nr; tessera sanitaria; polisnummer;
zorgverzekeraar; verzekerdennummer; apolice; beneficiario n; medicare card; irn; ihi; dva no
""",
    "ACCOUNT": """
account; account no; account number; acct; acct no; acct number; a c; a c no; acc; acc no; iban;
bic; swift; sort code; routing; routing no; routing number; aba; bsb; card; card no; card
number; pan; cc no; credit card; debit card; cvv; visit no; visit number; encounter; encounter
no; encounter id; csn; fin; har; invoice; invoice no; bill no; billing no; cust no; customer no;
customer id; customer number; client no; client id; cif; loan no; loan number; mortgage no;
compte; n compte; numero de compte; n facture; rib; cuenta; n cuenta; numero de cuenta; tarjeta;
n tarjeta; n factura; kontonummer; konto nr; konto; kto; blz; kundennummer; kunden nr;
kartennummer; rechnungsnummer; numero conto; conto; rekeningnummer; rekening; klantnummer;
conta; numero da conta; nib; nr konta; numer konta; rachunek; nr rachunku
""",
    "CERTIFICATE": """
licence; license; lic; lic no; licence no; license no; licence number; license number; dl; dl
no; cdl; cdl no; drivers license; driver license; driving licence; driving license; drivers lic;
dvla no; passport; passport no; passport number; visa no; green card; alien no; a number; dea;
dea no; npi; npi no; upin; gmc; gmc no; nmc; nmc pin; hcpc; ahpra; pin no; rpps; adeli; n
passeport; passeport; permis; permis de conduire; n colegiado; colegiado; num colegiado; n col;
pasaporte; carnet de conducir; lanr; bsnr; personalausweis; ausweisnummer; ausweis nr;
reisepass; fuhrerschein; passaporto; patente; carta d identita; paspoort; rijbewijs; big nummer;
agb; carta de conducao; cnh; crm; bilhete de identidade; cartao de cidadao; cc no cidadao;
paszport; prawo jazdy; dowod; nr dowodu; pwz; nr pwz; badge; badge no; permit; permit no;
certificate
""",
    "VEHICLE": """
vin; vehicle id; vehicle identification number; chassis; chassis no; plate; plate no; license
plate; licence plate; number plate; registration; reg; reg no; registration no; vrm; vrn; rego;
tag; tag no; vehicle; vehicle reg; tractor; trailer; unit plate; truck; immatriculation; plaque;
matricula; kennzeichen; kfz kennzeichen; fahrgestellnummer; fin nr; targa; telaio; kenteken;
placa; nr rejestracyjny; tablica
""",
    "DEVICE": """
serial; serial no; serial number; sn; s n; ser no; lot; lot no; lot number; batch; batch no;
udi; device; device id; device no; device serial; imei; imsi; esn; mac; mac address; implant;
implant id; pacemaker; asset; asset no; asset tag; machine id; scanner id; terminal id;
telematics id; eld; eld id; tracker; dashcam; numero de serie; n serie; n lot; lote;
seriennummer; serien nr; charge; chargennummer; numero di serie; lotto; serienummer; partij;
numer seryjny; seria
""",
    "ID": """
login; log in; logon; login id; user; username; user name; user id; userid; uid; portal user;
portal login; portal id; handle; screen name; account login; netid; network id; windows login;
employee id; employee no; staff id; staff no; emp id; emp no; badge id; id; identifier;
extension id; acc; accession; accession no; accession number; acc no; accn; order; order no;
order number; order id; req; req no; requisition; specimen; specimen id; specimen no; sample;
sample id; sample no; lab no; lab id; case; case no; case number; case id; claim; claim no;
claim number; claim id; clm; reference; reference no; ref; ref no; our ref; your ref; file no;
file; docket; study id; study no; subject; subject id; subject no; participant; participant id;
screening no; randomisation no; protocol no; trial id; enrolment id; incident; incident no;
incident id; ticket; ticket no; confirmation; confirmation no; tracking; tracking no; auth; auth
no; authorization; authorization no; auth code; approval; transaction; transaction id; txn; txn
id; trace; trace no; end to end id; e2e; mandate; mandate ref; booking; booking ref; booking no;
load; load no; load id; trip; trip id; route; route id; manifest; waybill; bol; bol no; pro no;
po no; work order; job no; unit; asset id; fleet no; fleet id; truck no; vehicle no; rx; rx no;
prescription no; script no; password; pwd; pin; passcode; key safe; keysafe; door code; gate
code; access code; identifiant; utilisateur; mot de passe; n dossier id; reference dossier; n
sejour; numero de sejour; usuario; contrasena; expediente; n expediente; episodio; n episodio;
benutzer; benutzername; kennung; kennwort; aktenzeichen; az; auftragsnummer; auftrag; vorgang;
vorgangsnummer; utente login; pratica; n pratica; gebruiker; gebruikersnaam; dossiernummer;
utilizador; processo id; uzytkownik; sygnatura; extension; root; setid; skype; teams; telegram;
twitter; instagram; snapchat; facebook; linkedin; discord
""",
    "URL": "url; website; web; web site; homepage; webseite; sitio web; link",
    "IP": "ip; ip address; ip addr; host; hostname; client ip; source ip; src; dst",
    "BIOMETRIC": """
fingerprint; fingerprint id; fingerprint template; voiceprint; voiceprint id; iris scan; iris
id; retina scan; retinal scan; face id; facial id; faceprint; biometric; biometric id; palm
print; template id; palm vein; palm vein id; huella; empreinte; fingerabdruck
""",
    "PHOTO": "photo; photograph; image file; picture; photo id; foto; image filename; lichtbild",
}
KIND_OF: dict[str, str] = {
    " ".join(label.split()): kind
    for kind, labels in _LABELS.items()
    for label in labels.split(";")
}
"""The type of what stands beside a label, by the folded label."""

NUMBERED = frozenset(
    ("MRN", "SSN", "HEALTH_PLAN", "ACCOUNT", "CERTIFICATE", "VEHICLE", "DEVICE", "ID")
)
"""Types of codes."""

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\s_\-./#\u00ba\u00b0\u2116'\u2019()*]+")
_NUMBER_WORDS = re.compile(
    r" (?:no|nr|num|number|num|numero|nummer|id|code|ref|#)$|^(?:n|no|nr|num|numero|numer) "
)
# Letters that scanners take for others.
_MISREAD = (str.maketrans("0135", "oles"), str.maketrans("0135", "oies"))


def kind_of(label: str) -> str | None:
    """Return the type of what stands beside a label; None if the label is none of these."""
    plain = fold(_CAMEL.sub(" ", label.strip()))
    plain = _SEPARATORS.sub(" ", plain).strip().rstrip("0123456789").strip()
    kind = KIND_OF.get(plain)
    if kind is None:
        kind = KIND_OF.get(_NUMBER_WORDS.sub("", plain))
        if kind in ("PERSON", "DATE", "LOCATION", "EMPLOYER"):
            # "Patient no" is a number.
            kind = "ID" if _NUMBER_WORDS.search(plain) else kind
    if kind is None:
        for letters in _MISREAD:
            misread = plain.translate(letters).replace("rn", "m")
            kind = kind or (KIND_OF.get(misread) if misread != plain else None)
    return kind
