#include "sandbox/generate_codes.h"

#include "base/check.h"

#define TABLE(name, url, list) \
    const struct code_table name = { url, list, ARRAY_COUNT(list) }

static const struct code visit[] = {
    { "99213", "Office or other outpatient visit, established patient, low complexity", 14200 },
    { "99214", "Office or other outpatient visit, established patient, moderate", 20850 },
    { "99203", "Office or other outpatient visit, new patient, low complexity", 18900 },
    { "99204", "Office or other outpatient visit, new patient, moderate", 27575 },
    { "99232", "Subsequent hospital inpatient care, moderate", 13525 },
    { "99285", "Emergency department visit, high complexity", 64140 },
    { "99396", "Periodic preventive visit, 40 to 64 years", 21300 },
};
TABLE(codes_visit, "http://www.ama-assn.org/go/cpt", visit);

static const struct code service[] = {
    { "80053", "Comprehensive metabolic panel", 4885 },
    { "85025", "Complete blood count with automated differential", 3430 },
    { "83036", "Hemoglobin A1c", 4125 },
    { "80061", "Lipid panel", 5660 },
    { "36415", "Collection of venous blood by venipuncture", 1500 },
    { "93000", "Electrocardiogram, 12 leads, with interpretation", 8215 },
    { "71046", "Radiologic examination, chest, 2 views", 12990 },
    { "90471", "Immunization administration, one vaccine", 4460 },
    { "97110", "Therapeutic exercises, each 15 minutes", 7130 },
    { "81001", "Urinalysis, automated, with microscopy", 1935 },
    { "96372", "Therapeutic injection, subcutaneous or intramuscular", 5025 },
    { "70450", "Computed tomography, head, without contrast", 61375 },
};
TABLE(codes_service, "http://www.ama-assn.org/go/cpt", service);

static const struct code operation[] = {
    { "45378", "Colonoscopy, flexible, diagnostic", 148050 },
    { "27447", "Arthroplasty, knee, condyle and plateau", 2894300 },
    { "66984", "Extracapsular cataract removal with lens insertion", 387525 },
    { "47562", "Laparoscopic cholecystectomy", 1120040 },
    { "43239", "Upper gastrointestinal endoscopy with biopsy", 135210 },
    { "29881", "Arthroscopy, knee, with meniscectomy", 512335 },
    { "11042", "Debridement, subcutaneous tissue", 48260 },
    { "20610", "Arthrocentesis, major joint", 21475 },
};
TABLE(codes_operation, "http://www.ama-assn.org/go/cpt", operation);

static const struct code dental[] = {
    { "D0120", "Periodic oral evaluation, established patient", 5900 },
    { "D0274", "Bitewings, four radiographic images", 7450 },
    { "D1110", "Prophylaxis, adult", 10525 },
    { "D2391", "Resin-based composite, one surface, posterior", 19840 },
    { "D2740", "Crown, porcelain or ceramic", 126500 },
    { "D4341", "Periodontal scaling and root planing, four or more teeth", 27115 },
    { "D7140", "Extraction, erupted tooth or exposed root", 21030 },
};
TABLE(codes_dental, "http://www.ada.org/cdt", dental);

static const struct code diagnosis[] = {
    { "I10", "Essential (primary) hypertension", 0 },
    { "E11.9", "Type 2 diabetes mellitus without complications", 0 },
    { "E78.5", "Hyperlipidemia, unspecified", 0 },
    { "J06.9", "Acute upper respiratory infection, unspecified", 0 },
    { "M54.50", "Low back pain, unspecified", 0 },
    { "F41.1", "Generalized anxiety disorder", 0 },
    { "J45.909", "Unspecified asthma, uncomplicated", 0 },
    { "N39.0", "Urinary tract infection, site not specified", 0 },
    { "K21.9", "Gastro-esophageal reflux disease without esophagitis", 0 },
    { "Z00.00", "General adult medical examination without abnormal findings", 0 },
    { "E66.9", "Obesity, unspecified", 0 },
    { "E03.9", "Hypothyroidism, unspecified", 0 },
    { "M17.11", "Unilateral primary osteoarthritis, right knee", 0 },
    { "G43.909", "Migraine, unspecified, not intractable", 0 },
    { "R07.9", "Chest pain, unspecified", 0 },
    { "Z23", "Encounter for immunization", 0 },
    { "N18.30", "Chronic kidney disease, stage 3 unspecified", 0 },
    { "I50.9", "Heart failure, unspecified", 0 },
};
TABLE(codes_diagnosis, "http://hl7.org/fhir/sid/icd-10-cm", diagnosis);

static const struct code drug[] = {
    { "861007", "metformin hydrochloride 500 MG Oral Tablet", 1245 },
    { "617310", "atorvastatin 20 MG Oral Tablet", 1890 },
    { "314076", "lisinopril 10 MG Oral Tablet", 985 },
    { "197361", "amlodipine 5 MG Oral Tablet", 1110 },
    { "198051", "omeprazole 20 MG Delayed Release Oral Capsule", 1675 },
    { "308191", "amoxicillin 500 MG Oral Capsule", 1320 },
    { "312941", "sertraline 50 MG Oral Tablet", 1455 },
    { "197806", "ibuprofen 600 MG Oral Tablet", 1060 },
    { "745752", "albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", 5840 },
};
TABLE(codes_drug, "http://www.nlm.nih.gov/research/umls/rxnorm", drug);

static const struct code ndc[] = {
    { "00093104801", "metformin hydrochloride 500 mg tablet", 1245 },
    { "00071015623", "atorvastatin calcium 20 mg tablet, film coated", 1890 },
    { "68180098001", "lisinopril 10 mg tablet", 985 },
    { "00069153066", "amlodipine besylate 5 mg tablet", 1110 },
    { "00378615093", "omeprazole 20 mg capsule, delayed release", 1675 },
    { "00093310905", "amoxicillin 500 mg capsule", 1320 },
    { "00049490066", "sertraline hydrochloride 50 mg tablet, film coated", 1455 },
    { "53746046501", "ibuprofen 600 mg tablet", 1060 },
    { "00173068220", "albuterol sulfate 90 mcg aerosol, metered", 5840 },
};
TABLE(codes_ndc, "http://hl7.org/fhir/sid/ndc", ndc);

static const struct code vaccine[] = {
    { "140", "Influenza, split virus, trivalent, preservative free", 0 },
    { "208", "COVID-19, mRNA, 30 mcg/0.3 mL dose", 0 },
    { "115", "Tdap", 0 },
    { "187", "Zoster recombinant", 0 },
    { "133", "Pneumococcal conjugate PCV 13", 0 },
};
TABLE(codes_vaccine, "http://hl7.org/fhir/sid/cvx", vaccine);

static const struct code allergy[] = {
    { "91936005", "Allergy to penicillin", 0 },
    { "300916003", "Latex allergy", 0 },
    { "91935009", "Allergy to peanut", 0 },
    { "91934008", "Allergy to nut", 0 },
};
TABLE(codes_allergy, "http://snomed.info/sct", allergy);

static const struct code drg[] = {
    { "470", "Major hip and knee joint replacement without MCC", 0 },
    { "291", "Heart failure and shock with MCC", 0 },
    { "871", "Septicemia or severe sepsis without MV >96 hours with MCC", 0 },
    { "392", "Esophagitis, gastroenteritis and miscellaneous digestive disorders", 0 },
};
TABLE(codes_drg, "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/"
                 "AcuteInpatientPPS/MS-DRG-Classifications-and-Software", drg);

static const struct code revenue[] = {
    { "0120", "Room and board, semi-private", 0 }, { "0250", "Pharmacy", 0 },
    { "0300", "Laboratory", 0 },                   { "0320", "Radiology, diagnostic", 0 },
    { "0360", "Operating room services", 0 },      { "0450", "Emergency room", 0 },
    { "0636", "Drugs requiring detailed coding", 0 },
};
TABLE(codes_revenue, "https://www.nubc.org/CodeSystem/RevenueCodes", revenue);

static const struct code place[] = {
    { "11", "Office", 0 },
    { "21", "Inpatient Hospital", 0 },
    { "22", "On Campus-Outpatient Hospital", 0 },
    { "23", "Emergency Room - Hospital", 0 },
    { "81", "Independent Laboratory", 0 },
};
TABLE(codes_place, "https://www.cms.gov/Medicare/Coding/place-of-service-codes/"
                   "Place_of_Service_Code_Set", place);

static const struct code panel[] = {
    { "24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma", 0 },
    { "58410-2", "CBC panel - Blood by Automated count", 0 },
    { "24331-1", "Lipid 1996 panel - Serum or Plasma", 0 },
};
TABLE(codes_panel, "http://loinc.org", panel);

static const struct code race[] = {
    { "2106-3", "White", 0 },
    { "2054-5", "Black or African American", 0 },
    { "2028-9", "Asian", 0 },
    { "1002-5", "American Indian or Alaska Native", 0 },
};
TABLE(codes_race, "urn:oid:2.16.840.1.113883.6.238", race);

static const struct code ethnicity[] = {
    { "2186-5", "Not Hispanic or Latino", 0 },
    { "2135-2", "Hispanic or Latino", 0 },
};
TABLE(codes_ethnicity, "urn:oid:2.16.840.1.113883.6.238", ethnicity);

const struct measure codes_lab[] = {
    { "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4800, 9600, 1 },
    { "2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 70000, 190000, 0 },
    { "2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 600, 1600, 2 },
    { "2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 130000, 260000, 0 },
    { "2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL", 60000, 300000, 0 },
    { "2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "mg/dL", 30000, 80000, 0 },
    { "718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 11000, 17000, 1 },
    { "6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 4000, 11000, 2 },
    { "777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 150000, 400000, 0 },
    { "2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 134000, 146000, 0 },
    { "2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 3400, 5200, 1 },
};
const uint32_t codes_lab_count = ARRAY_COUNT(codes_lab);

const struct measure codes_vital[] = {
    { "29463-7", "Body weight", "kg", 52000, 110000, 1 },
    { "8302-2", "Body height", "cm", 152000, 191000, 0 },
    { "39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", 19000, 36000, 2 },
    { "8867-4", "Heart rate", "/min", 58000, 98000, 0 },
    { "8310-5", "Body temperature", "Cel", 36100, 38200, 1 },
};
const uint32_t codes_vital_count = ARRAY_COUNT(codes_vital);

const struct payer codes_payers[] = {
    { "Harbor Light Health Plan", "https://fhir.harborlight.example.org/r4", "HL Choice PPO",
      "Tidewater Shipyards", "Harbor Preferred", "EHCPOL", "extended healthcare",
      { 20, 50, 25, 5 } },
    { "Prairie Mutual Medicare Advantage", "https://api.prairiemutual.example.org/fhir",
      "Prairie Gold HMO", "Individual", "Prairie Network", "RETIRE", "retiree health program",
      { 25, 45, 28, 2 } },
    { "Blue Mesa State Medicaid", "https://interop.bluemesa.example.org/fhir/r4", "Mesa Care",
      "State Program", "Mesa Care Network", "PUBLICPOL", "public healthcare", { 20, 50, 22, 8 } },
    { "Northgate Rx", "https://patientaccess.northgaterx.example.org/fhir", "Northgate Part D",
      "Individual", "Northgate Pharmacies", "DRUGPOL", "drug policy", { 2, 8, 90, 0 } },
    { "Evergreen Dental of the Cascades", "https://fhir.evergreendental.example.org/r4",
      "Evergreen Smile", "Cascade Timber", "Evergreen Dentists", "DENTPRG", "dental program",
      { 0, 5, 5, 90 } },
};
const uint32_t codes_payer_count = ARRAY_COUNT(codes_payers);

#define NAMES(list) { list, ARRAY_COUNT(list) }
static const char *const family[] = {
    "Abbott", "Baker", "Castañeda", "Delgado", "Eriksen", "Fitzgerald", "Guðmundsdóttir",
    "Hughes", "Iwasaki", "Jensen", "Kowalczyk", "Łukasiewicz", "Müller", "Nguyen", "O'Brien",
    "Pérez-Ortiz", "Quinn", "Rossi", "Sørensen", "Tran", "Underwood", "Van der Berg", "Wójcik",
};
static const char *const female[] = { "Anna", "Beatriz", "Claire", "Đan", "Élodie", "Fatima",
                                      "Grace", "Hannah", "Ingrid", "José María", "Li", "Zoë" };
static const char *const male[] = { "Aaron", "Björn", "Carlos", "David", "Emeka", "François",
                                    "George", "Hiroshi", "Ivan", "José", "Liam", "Søren" };
static const char *const street[] = { "Main St", "Oak Avenue", "Harbor Rd", "2nd Street",
                                      "Cedar Lane Apt 4B", "Mill Pond Way", "Ñuñoa Court" };
static const char *const hospital[] = {
    "Tidewater General Hospital",     "St. Brendan Medical Center", "Mesa Family Medicine",
    "Cascade Orthopedics & Sports",   "Lakeview Community Clinic",  "Northgate Pharmacy #112",
    "Evergreen Dental Group",         "Riverbend Laboratories",
};
const struct names names_family = NAMES(family);
const struct names names_given[2] = { NAMES(female), NAMES(male) };
const struct names names_street = NAMES(street);
const struct names names_hospital = NAMES(hospital);

const struct town names_town[] = {
    { "Norfolk", "VA", "23510" },  { "Wichita", "KS", "67202" }, { "Santa Fe", "NM", "87501" },
    { "Bellingham", "WA", "98225" }, { "Duluth", "MN", "55802" },  { "Portland", "ME", "04101" },
};
const uint32_t names_town_count = ARRAY_COUNT(names_town);

const struct specialty codes_specialty[] = {
    { "207Q00000X", "Family Medicine Physician" },
    { "207R00000X", "Internal Medicine Physician" },
    { "208600000X", "Surgery Physician" },
    { "1223G0001X", "General Practice Dentistry" },
    { "363LF0000X", "Family Nurse Practitioner" },
    { "207X00000X", "Orthopaedic Surgery Physician" },
};
const uint32_t codes_specialty_count = ARRAY_COUNT(codes_specialty);
